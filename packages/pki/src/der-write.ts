/** Writes DER (X.690): the few types that certificates, requests and revocation lists are made of. */

import { oids } from "./oids.ts";

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

export const tlv = (tag: number, ...contents: readonly Uint8Array[]): Buffer => {
  let size = 0;
  for (const part of contents) size += part.length;
  const head = lengthOctets(size);
  const out = Buffer.allocUnsafe(1 + head.length + size);
  out[0] = tag;
  out.set(head, 1);
  let at = 1 + head.length;
  for (const part of contents) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

function lengthOctets(size: number): readonly number[] {
  if (size < 0x80) return [size];
  if (size < 0x1_00) return [0x81, size];
  if (size < 0x1_00_00) return [0x82, size >> 8, size & 0xff];
  if (size < 0x1_00_00_00) return [0x83, size >> 16, (size >> 8) & 0xff, size & 0xff];
  return [0x84, Math.floor(size / 2 ** 24), (size >> 16) & 0xff, (size >> 8) & 0xff, size & 0xff];
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => tlv(tags.sequence, ...parts);
export const octetString = (bytes: Uint8Array): Buffer => tlv(tags.octetString, bytes);
export const bitString = (bytes: Uint8Array, unusedBits = 0): Buffer => tlv(tags.bitString, Buffer.from([unusedBits]), bytes);
export const boolean = (value: boolean): Buffer => tlv(tags.boolean, Buffer.from([value ? 0xff : 0]));
export const nullValue = (): Buffer => tlv(tags.null);
export const utf8String = (text: string): Buffer => tlv(tags.utf8String, Buffer.from(text, "utf8"));
export const printableString = (text: string): Buffer => tlv(tags.printableString, Buffer.from(text, "latin1"));
export const ia5String = (text: string): Buffer => tlv(tags.ia5String, Buffer.from(text, "latin1"));
/** `[n] EXPLICIT`, or an implicit constructed one. */
export const context = (n: number, ...parts: readonly Uint8Array[]): Buffer => tlv(0xa0 | n, ...parts);
/** `[n] IMPLICIT` of a primitive type. */
export const contextPrimitive = (n: number, bytes: Uint8Array): Buffer => tlv(0x80 | n, bytes);

/** [X.690 11.6] The members of a SET OF stand in ascending order of their encodings. */
export const setOf = (...parts: readonly Uint8Array[]): Buffer => tlv(tags.set, ...[...parts].sort(Buffer.compare));

/** A non-negative INTEGER from its big-endian bytes (any number of leading zeros), or from a safe integer. */
export function integer(value: Uint8Array | number): Buffer {
  const bytes = typeof value === "number" ? bytesOf(value) : value;
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const shortest = bytes.length === 0 ? Buffer.from([0]) : bytes.subarray(start);
  return (shortest[0] ?? 0) & 0x80 ? tlv(tags.integer, Buffer.from([0]), shortest) : tlv(tags.integer, shortest);
}

function bytesOf(value: number): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
}

/** An OBJECT IDENTIFIER from its dotted form. */
export const oid = (dotted: string): Buffer => known.get(dotted) ?? encodeOid(dotted);

function encodeOid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return tlv(tags.oid, Buffer.from([first * 40 + second, ...rest].flatMap(base128)));
}

function base128(arc: number): number[] {
  const out = [arc & 0x7f];
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) out.unshift((rest & 0x7f) | 0x80);
  return out;
}

/** [RFC 6960 4.2.2.1] GeneralizedTime in whatever year; whole seconds, always Z. */
export const generalizedTime = (at: number): Buffer => tlv(tags.generalizedTime, Buffer.from(stampOf(at)));

const stampOf = (at: number): string => new Date(at).toISOString().replace(/\.\d+/, "").replace(/[-:T]/g, "");

/** [RFC 5280 4.1.2.5] UTCTime up to the year 2049, GeneralizedTime after it; whole seconds, always Z. */
export function time(at: number): Buffer {
  const stamp = stampOf(at);
  const year = new Date(at).getUTCFullYear();
  return year >= 1950 && year < 2050
    ? tlv(tags.utcTime, Buffer.from(stamp.slice(2)))
    : tlv(tags.generalizedTime, Buffer.from(stamp));
}

/** A BIT STRING of named bits (KeyUsage, reasons): bit 0 is the first, trailing zeros are cut off [X.690 11.2.2]. */
export function namedBits(bits: readonly number[]): Buffer {
  const highest = Math.max(-1, ...bits);
  if (highest < 0) return bitString(Buffer.alloc(0));
  const bytes = Buffer.alloc(Math.floor(highest / 8) + 1);
  for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return bitString(bytes, 7 - (highest & 7));
}

// Encoding them anew took a tenth of the time of a certificate. Nobody writes into what these functions return.
const known: ReadonlyMap<string, Buffer> = new Map(Object.values(oids).map((dotted) => [dotted, encodeOid(dotted)]));
