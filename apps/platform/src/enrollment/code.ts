import { createHash, timingSafeEqual } from "node:crypto";
import { type Refused, refuse } from "./attempt.ts";

/** A code dies after this many wrong guesses; 80 bits of chance make guessing hopeless long before. */
const maximumWrongAttempts = 5;

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"; // Crockford's: no i, l, o, u

/** A code such as `7gk2-0wq9-xm4d-t5hc` from 16 bytes of chance. */
export function codeFrom(entropy: Uint8Array): string {
  const letters = [...entropy].map((byte) => alphabet.charAt(byte & 31)).join("");
  return (letters.match(/.{4}/g) ?? []).join("-");
}

/** What is stored: the code without its dashes, in lower case, with letters that people mix up made equal, salted and hashed. */
export function hashCode(code: string, salt: Uint8Array): Buffer {
  const plain = code.toLowerCase().replace(/[\s-]/g, "").replace(/[il]/g, "1").replace(/o/g, "0");
  return createHash("sha256").update(salt).update(plain).digest();
}

export type CodeFacts = {
  readonly id: string;
  readonly salt: Buffer;
  readonly hash: Buffer;
  readonly expiresAt: number;
  readonly wrongAttempts: number;
  readonly usedAt: number | undefined;
};

export type CodeVerdict = { readonly is: "good"; readonly spent: boolean } | Refused;

/** Judges a code against the newest one of its serial number. `spent` is for the caller to judge: a lost reply is asked for again. */
export function judgeCode(given: { serial: string; code: string; now: number }, facts: CodeFacts | undefined): CodeVerdict {
  const { serial, code, now } = given;
  const again = `Make a new one: \`tenfold enroll code ${serial}\`.`;
  const no = (because: "code_unknown" | "code_locked" | "code_wrong" | "code_expired", reason: string): Refused =>
    refuse({ step: "one_time_code", because, reason, fix: again, status: 401 });
  if (facts === undefined)
    return no("code_unknown", `There is no one-time code for serial number ${JSON.stringify(serial.slice(0, 64))}.`);
  if (facts.wrongAttempts >= maximumWrongAttempts)
    return no("code_locked", `The one-time code of ${serial} was guessed wrong ${facts.wrongAttempts} times and no longer works.`);
  if (!timingSafeEqual(hashCode(code, facts.salt), facts.hash))
    return no("code_wrong", `This is not the one-time code of ${serial}.`);
  if (now > facts.expiresAt)
    return no("code_expired", `The one-time code of ${serial} expired on ${new Date(facts.expiresAt).toISOString()}.`);
  return { is: "good", spent: facts.usedAt !== undefined };
}

export const codeSpent = (serial: string): Refused =>
  refuse({
    step: "one_time_code",
    because: "code_spent",
    reason: `The one-time code of ${serial} was used before.`,
    fix: `Make a new one: \`tenfold enroll code ${serial}\`.`,
    status: 401,
  });
