const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"; // Crockford's: no i, l, o, u

/**
 * A new id such as `rol_01jd9f3k2m7x0q4v8w5y6z1n3p`: 10 characters of time (so that ids sort by age) and 16 of chance.
 * Entropy comes from the platform's secure generator.
 */
export function newId<const Prefix extends string>(prefix: Prefix, now: number = Date.now()): `${Prefix}_${string}` {
  let time = "";
  for (let rest = Math.floor(now), i = 0; i < 10; i++, rest = Math.floor(rest / 32)) time = alphabet.charAt(rest % 32) + time;
  const chance = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => alphabet.charAt(byte & 31)).join("");
  return `${prefix}_${time}${chance}`;
}
