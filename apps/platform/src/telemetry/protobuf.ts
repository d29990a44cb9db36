import { Refused } from "./errors.ts";

/** One field of a Protocol Buffers message: its number, and a number (wire types 0, 1, 5) or bytes (2). `from` and `to` are where it stands. */
export type Field = { number: number; wire: 0 | 1 | 2 | 5; integer: bigint; bytes: Buffer; from: number; to: number };

const nothing = Buffer.alloc(0);
const invalid = (what: string) =>
  new Refused("protobuf_invalid", `The payload begins like Sparkplug B and cannot be read as such: ${what}.`);

/**
 * The fields of one message, in order. Strict: each number, wire type and length must be possible within these bytes, and groups are refused.
 * Work and memory are bounded by the bytes, whatever lengths they claim. Throws Refused with `protobuf_invalid`.
 */
export function* fieldsOf(bytes: Buffer): Generator<Field> {
  for (let at = 0; at < bytes.length; ) {
    const key = readVarint(bytes, at);
    const [number, wire] = [Number(key.value >> 3n), Number(key.value & 7n)];
    if (number < 1 || number > 536_870_911) throw invalid(`a field has the number ${number}`);
    const value = readValue(bytes, key.to, wire);
    yield { number, from: at, ...value };
    at = value.to;
  }
}

function readValue(bytes: Buffer, at: number, wire: number): Omit<Field, "number" | "from"> {
  switch (wire) {
    case 0: {
      const { value, to } = readVarint(bytes, at);
      return { wire, integer: value, bytes: nothing, to };
    }
    case 1:
      return { wire, integer: 0n, bytes: part(bytes, at, 8), to: at + 8 };
    case 2: {
      const length = readVarint(bytes, at);
      const size = length.value > BigInt(bytes.length) ? bytes.length + 1 : Number(length.value);
      return { wire, integer: 0n, bytes: part(bytes, length.to, size), to: length.to + size };
    }
    case 5:
      return { wire, integer: 0n, bytes: part(bytes, at, 4), to: at + 4 };
    default:
      throw invalid(`a field has the wire type ${wire}`);
  }
}

function part(bytes: Buffer, at: number, size: number): Buffer {
  if (at + size > bytes.length) throw invalid("it ends too early");
  return bytes.subarray(at, at + size);
}

function readVarint(bytes: Buffer, from: number): { value: bigint; to: number } {
  let value = 0n;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[from + i];
    if (byte === undefined) throw invalid("it ends too early");
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) {
      if (value >> 64n) break;
      return { value, to: from + i + 1 };
    }
  }
  throw invalid("a number has more than 64 bits");
}

/** A varint as bytes. */
export function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest)];
}

/** A field of bytes, or of a text. */
export function bytesField(number: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([...varint(BigInt((number << 3) | 2)), ...varint(BigInt(content.length))]), content]);
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function textIn(field: Field): string {
  if (field.wire !== 2) throw invalid(`field ${field.number} is not a text`);
  try {
    return utf8.decode(field.bytes);
  } catch {
    throw invalid("a text is not UTF-8");
  }
}

/** The number of a varint field, which must have this wire type. */
export function integerIn(field: Field): bigint {
  if (field.wire !== 0) throw invalid(`field ${field.number} is not a number`);
  return field.integer;
}

/** The bytes of a field with this wire type. */
export function bytesIn(field: Field, wire: 1 | 2 | 5): Buffer {
  if (field.wire !== wire) throw invalid(`field ${field.number} has the wire type ${field.wire} instead of ${wire}`);
  return field.bytes;
}
