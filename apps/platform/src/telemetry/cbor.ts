import { Refused } from "./errors.ts";

/** The part of CBOR (RFC 8949) that SenML uses. Maps stay maps, so that no key can mean more than a key. */
export type Cbor = number | string | boolean | null | Uint8Array | Cbor[] | Map<number | string, Cbor>;

const deepest = 8;
const breakCode = Symbol("break");

/**
 * Reads one item and nothing behind it. Work and memory are bounded by the payload's length, whatever lengths it claims: no library was
 * found that promises this (cbor-x makes an array of a hundred million places from five bytes). Throws Refused with `cbor_invalid`.
 */
export function decodeCbor(bytes: Buffer): Cbor {
  const reader = { bytes, at: 0 };
  const item = readItem(reader, 0);
  if (item === breakCode) throw invalid("a break stands where a value should be");
  if (reader.at !== bytes.length) throw invalid(`${bytes.length - reader.at} bytes follow the value`);
  return item;
}

type Reader = { bytes: Buffer; at: number };

const invalid = (what: string) => new Refused("cbor_invalid", `The payload begins like CBOR and cannot be read as such: ${what}.`);

function readItem(reader: Reader, depth: number): Cbor | typeof breakCode {
  if (depth > deepest) throw invalid(`it is nested deeper than ${deepest} levels`);
  const initial = take(reader, 1)[0] ?? 0;
  const [major, low] = [initial >> 5, initial & 31];
  switch (major) {
    case 0:
      return readLength(reader, low);
    case 1:
      return -1 - readLength(reader, low);
    case 2:
      return new Uint8Array(take(reader, readLength(reader, low)));
    case 3:
      return readText(take(reader, readLength(reader, low)));
    case 4:
      return readArray(reader, low, depth);
    case 5:
      return readMap(reader, low, depth);
    case 6:
      return readTagged(reader, low, depth);
    default:
      return readSimple(reader, low);
  }
}

function take(reader: Reader, length: number): Buffer {
  const end = reader.at + length;
  if (end > reader.bytes.length) throw invalid("it ends too early");
  const taken = reader.bytes.subarray(reader.at, end);
  reader.at = end;
  return taken;
}

function readLength(reader: Reader, low: number): number {
  if (low < 24) return low;
  switch (low) {
    case 24:
      return take(reader, 1).readUInt8();
    case 25:
      return take(reader, 2).readUInt16BE();
    case 26:
      return take(reader, 4).readUInt32BE();
    case 27:
      return Number(take(reader, 8).readBigUInt64BE());
    default:
      throw invalid("a length has no meaning here");
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function readText(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw invalid("a text is not UTF-8");
  }
}

const indefinite = 31;

function readArray(reader: Reader, low: number, depth: number): Cbor[] {
  const length = low === indefinite ? Number.POSITIVE_INFINITY : readLength(reader, low);
  const items: Cbor[] = [];
  while (items.length < length) {
    const item = readItem(reader, depth + 1);
    if (item === breakCode) return endOf(items, length);
    items.push(item);
  }
  return items;
}

function readMap(reader: Reader, low: number, depth: number): Map<number | string, Cbor> {
  const length = low === indefinite ? Number.POSITIVE_INFINITY : readLength(reader, low);
  const map = new Map<number | string, Cbor>();
  while (map.size < length) {
    const key = readItem(reader, depth + 1);
    if (key === breakCode) return endOf(map, length);
    if (typeof key !== "number" && typeof key !== "string") throw invalid("a map has a key that is neither number nor text");
    if (map.has(key)) throw invalid(`a map has the key ${JSON.stringify(key)} twice`);
    const value = readItem(reader, depth + 1);
    if (value === breakCode) throw invalid("a map ends behind a key");
    map.set(key, value);
  }
  return map;
}

function endOf<T>(items: T, length: number): T {
  if (length !== Number.POSITIVE_INFINITY) throw invalid("a break stands where a value should be");
  return items;
}

/** Decimal fractions (tag 4) are the one tag that SenML allows for numbers [RFC 8428 §6]; other tags only annotate their value. */
function readTagged(reader: Reader, low: number, depth: number): Cbor {
  const tag = readLength(reader, low);
  const item = readItem(reader, depth + 1);
  if (item === breakCode) throw invalid("a tag has no value");
  if (tag !== 4) return item;
  const [exponent, mantissa] = Array.isArray(item) ? item : [];
  if (typeof exponent !== "number" || typeof mantissa !== "number") throw invalid("a decimal fraction has not two numbers");
  return Number(`${mantissa}e${exponent}`);
}

function readSimple(reader: Reader, low: number): boolean | null | number | typeof breakCode {
  switch (low) {
    case 20:
      return false;
    case 21:
      return true;
    case 22:
    case 23:
      return null;
    case 25:
      return halfFloat(take(reader, 2).readUInt16BE());
    case 26:
      return take(reader, 4).readFloatBE();
    case 27:
      return take(reader, 8).readDoubleBE();
    case indefinite:
      return breakCode;
    default:
      throw invalid("it has a simple value without meaning here");
  }
}

/** [RFC 8949 Appendix D] */
function halfFloat(half: number): number {
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1_023;
  const size =
    exponent === 0
      ? mantissa * 2 ** -24
      : exponent === 31
        ? mantissa === 0
          ? Number.POSITIVE_INFINITY
          : Number.NaN
        : (mantissa + 1_024) * 2 ** (exponent - 25);
  return half & 0x8000 ? -size : size;
}
