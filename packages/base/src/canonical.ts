import { defineProblems } from "./problem.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export const canonicalProblems = defineProblems({ value_not_canonical: 422 });

/**
 * One byte string for one value, so that it can be signed and hashed (after RFC 8785): object keys in order of their UTF-16
 * units, no white space, shortest escapes. Narrower on purpose: numbers must be safe integers, and `undefined` is refused, because
 * two writers that disagree about a float would disagree about a signature.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") {
    if (Number.isSafeInteger(value)) return String(value === 0 ? 0 : value);
    throw canonicalProblems.value_not_canonical(`${value} cannot be signed: only whole numbers up to 2^53 have one spelling.`);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object") {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(",")}}`;
  }
  throw canonicalProblems.value_not_canonical(`A value of type ${typeof value} cannot be signed.`);
}
