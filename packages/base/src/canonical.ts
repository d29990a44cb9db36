import { defineProblems } from "./problem.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export const canonicalProblems = defineProblems({ value_not_canonical: 422 });

/**
 * One byte string for one value, so that it can be signed and hashed (after RFC 8785): object keys in order of their UTF-16
 * units, no white space, shortest escapes. Narrower on purpose: numbers must be safe integers, and `undefined` is refused, because
 * two writers that disagree about a float would disagree about a signature.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") {
    if (Number.isSafeInteger(value)) return String(value === 0 ? 0 : value);
    throw canonicalProblems.value_not_canonical(`${value} cannot be signed: only whole numbers up to 2^53 have one spelling.`);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object") return canonicalObject(value);
  throw canonicalProblems.value_not_canonical(`A value of type ${typeof value} cannot be signed.`);
}

/** `sort` without a comparison orders by UTF-16 units. One string that grows: a log of a million entries is verified by this. */
function canonicalObject(value: object): string {
  let members = "";
  for (const key of Object.keys(value).sort())
    members += `${members === "" ? "" : ","}${quoted(key)}:${canonicalJson(value[key as keyof typeof value])}`; // a key of its own
  return `{${members}}`;
}

/** What needs no escape is not searched for one twice. */
const needsNoEscape = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
const quoted = (text: string): string => (needsNoEscape.test(text) ? `"${text}"` : JSON.stringify(text));
