export type Random = () => number;

export const below = (random: Random, n: number): number => Math.floor(random() * n);

export function pick<T>(random: Random, from: readonly T[]): T {
  const found = from[below(random, from.length)];
  if (found === undefined) throw new Error("There is nothing to pick from.");
  return found;
}

/** What has broken readers of texts before: numbers at their ends, names of the language, depth, broken Unicode. */
const tokens = [
  "1e999",
  "-0",
  "1e-400",
  "9007199254740993",
  "-9223372036854775808",
  "NaN",
  "null",
  "true",
  "{}",
  "[]",
  '"__proto__":{"x":1},',
  '"constructor":',
  "\u0000",
  "\\u0000",
  "\\ud800",
  "\ufeff",
  "é\u{1f600}",
  "[".repeat(2_000),
  '{"a":'.repeat(500),
  "[".repeat(20_000),
  "(".repeat(200),
  "x".repeat(5_000),
  "-----BEGIN CERTIFICATE-----",
  "\r\n\r\n",
  "%00",
  "../",
].map((text) => Buffer.from(text));

/** DER, CBOR and MQTT: lengths that promise more than there is, endless items, the highest numbers. */
const bytes = [
  "ff",
  "00",
  "80",
  "30843fffffff",
  "3080",
  "0000",
  "5f",
  "9f",
  "bf",
  "ff",
  "9bffffffffffffffff",
  "bb7fffffffffffffff",
  "5bffffffffffffffff",
  "fb7ff8000000000000",
  "f97e00",
  "c1",
  "d9d9f7",
  "ffffff7f",
  "ffffffff",
].map((hex) => Buffer.from(hex, "hex"));

/** A valid input with one to six changes: bits, bytes, cuts, repetitions, tokens, parts of another input. Now and then noise alone. */
export function mutate(random: Random, corpus: readonly Buffer[]): Buffer {
  if (random() < 0.02) return noise(random);
  let input = Buffer.from(pick(random, corpus));
  for (let changes = 1 + below(random, 6); changes > 0; changes--) input = change(random, input, corpus);
  return input.length > 300_000 ? input.subarray(0, 300_000) : input;
}

function change(random: Random, input: Buffer, corpus: readonly Buffer[]): Buffer<ArrayBuffer> {
  const at = below(random, input.length + 1);
  const [head, tail] = [input.subarray(0, at), input.subarray(at)];
  switch (below(random, 9)) {
    case 0:
      return flip(input, { at, bits: 1 << below(random, 8) });
    case 1:
      return flip(input, { at, bits: below(random, 256) });
    case 2:
      return Buffer.concat([head]);
    case 3:
      return Buffer.concat([head, tail.subarray(below(random, Math.min(tail.length, 16) + 1))]);
    case 4:
      return Buffer.concat([head, Buffer.of(below(random, 256)), tail]);
    case 5:
      return Buffer.concat([input, tail]);
    case 6: {
      const other = pick(random, corpus);
      const from = below(random, other.length + 1);
      return Buffer.concat([head, other.subarray(from, from + below(random, 64)), tail]);
    }
    case 7:
      return Buffer.concat([head, pick(random, bytes), tail]);
    default:
      return Buffer.concat([head, pick(random, tokens), tail]);
  }
}

function flip(input: Buffer, { at, bits }: { at: number; bits: number }): Buffer<ArrayBuffer> {
  const flipped = Buffer.from(input);
  if (at < flipped.length) flipped[at] = (flipped[at] ?? 0) ^ bits;
  return flipped;
}

const noise = (random: Random): Buffer => Buffer.from(Array.from({ length: below(random, 200) }, () => below(random, 256)));

/** The words of a language, shuffled: most of it is nearly right. */
export function sentence(random: Random, words: readonly string[]): string {
  let text = "";
  for (let n = below(random, 12); n >= 0; n--) text += pick(random, words) + (random() < 0.7 ? " " : "");
  return text;
}
