import { refuse } from "./refusal.ts";

/**
 * The bytes under a TUF signature [TUF 4.2.1]: OLPC canonical JSON. It is not RFC 8785 (`canonicalJson` of base): names go by code
 * point, and in strings only `"` and `\` are escaped. Both write the same for all that Tenfold itself signs. Numbers must be safe integers.
 */
export function canonicalBytes(value: unknown): Buffer {
  return Buffer.from(canonicalText(value), "utf8");
}

/** The same as text. */
export const canonicalText = (value: unknown): string => encode(value);

function encode(value: unknown): string {
  switch (typeof value) {
    case "string":
      return encodeString(value);
    case "number":
      if (!Number.isSafeInteger(value)) refuse("metadata_malformed", `The number ${value} has no canonical form.`);
      return value === 0 ? "0" : String(value);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      return value === null ? "null" : encodeNested(value);
    default:
      return refuse("metadata_malformed", `A value of type ${typeof value} has no canonical form.`);
  }
}

function encodeNested(value: object): string {
  if (Array.isArray(value)) return `[${value.map(encode).join(",")}]`;
  const members = value as Record<string, unknown>;
  // A member without a value is no member, as in JSON.
  const names = Object.keys(members).filter((name) => members[name] !== undefined);
  return `{${sorted(names)
    .map((name) => `${encodeString(name)}:${encode(members[name])}`)
    .join(",")}}`;
}

const plain = /^[^"\\\ud800-\udfff]*$/;

function encodeString(text: string): string {
  if (plain.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) refuse("metadata_malformed", "A text holds half a character.");
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** UTF-16 order differs from the order of code points only where surrogates meet the characters above U+D7FF. */
function sorted(names: string[]): string[] {
  if (names.every((name) => !/[\ud800-\uffff]/.test(name))) return names.sort();
  return names.sort((a, b) => Buffer.compare(Buffer.from(a, "utf8"), Buffer.from(b, "utf8")));
}
