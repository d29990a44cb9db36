import { crc32 } from "node:zlib";

/**
 * One record: length of the payload (u32), CRC-32 of kind and payload (u32), kind (u8), payload; big-endian. A run of zeros is no
 * record, because the CRC of nothing but a zero kind is not zero.
 */
export const recordHeaderBytes = 9;
export const longestPayload = 1024 * 1024;

/** `frame` is what somebody appended; `cut` fixes a batch before it is applied; `checkpoint` says up to where all is applied. */
const recordKinds = { frame: 1, cut: 2, checkpoint: 3 } as const;
export type RecordKind = keyof typeof recordKinds;

/** A place in the journal: the segment's number and the byte in it. */
export type Position = { readonly segment: number; readonly offset: number };

/** Some frames in a row, from the first byte to the one after the last. */
export type Cut = { readonly from: Position; readonly to: Position; readonly frames: number };

export const compare = (a: Position, b: Position): number => a.segment - b.segment || a.offset - b.offset;

/** Writes a record into `into` at `at`, where there must be room for it; returns the place behind it. */
export function writeRecord(into: Buffer, at: number, { kind, payload }: { kind: RecordKind; payload: Uint8Array }): number {
  const end = at + recordHeaderBytes + payload.length;
  into.writeUInt32BE(payload.length, at);
  into[at + 8] = recordKinds[kind];
  into.set(payload, at + recordHeaderBytes);
  into.writeUInt32BE(crc32(into.subarray(at + 8, end)), at + 4);
  return end;
}

export function encodeRecord(kind: RecordKind, payload: Uint8Array): Buffer {
  const record = Buffer.allocUnsafe(recordHeaderBytes + payload.length);
  writeRecord(record, 0, { kind, payload });
  return record;
}

export type ReadRecord =
  | { is: "record"; kind: RecordKind; payload: Buffer; next: number }
  /** More bytes are needed: this many from `offset` on. */
  | { is: "short"; need: number }
  /** What stands here was never completely written, or is damaged. */
  | { is: "torn" };

/** Reads the record that begins at `offset`. The payload shares the buffer's memory. */
export function readRecord(bytes: Buffer, offset: number): ReadRecord {
  if (bytes.length - offset < recordHeaderBytes) return { is: "short", need: recordHeaderBytes };
  const length = bytes.readUInt32BE(offset);
  if (length > longestPayload) return { is: "torn" };
  const next = offset + recordHeaderBytes + length;
  if (next > bytes.length) return { is: "short", need: recordHeaderBytes + length };
  const kind = kindOf(bytes.readUInt8(offset + 8));
  if (kind === undefined || crc32(bytes.subarray(offset + 8, next)) !== bytes.readUInt32BE(offset + 4)) return { is: "torn" };
  return { is: "record", kind, payload: bytes.subarray(offset + recordHeaderBytes, next), next };
}

function kindOf(byte: number): RecordKind | undefined {
  if (byte === recordKinds.frame) return "frame";
  if (byte === recordKinds.cut) return "cut";
  return byte === recordKinds.checkpoint ? "checkpoint" : undefined;
}

const positionBytes = 12;

export function encodePosition({ segment, offset }: Position): Buffer {
  const bytes = Buffer.allocUnsafe(positionBytes);
  bytes.writeUIntBE(segment, 0, 6);
  bytes.writeUIntBE(offset, 6, 6);
  return bytes;
}

export const decodePosition = (bytes: Buffer): Position => ({ segment: bytes.readUIntBE(0, 6), offset: bytes.readUIntBE(6, 6) });

export function encodeCut({ from, to, frames }: Cut): Buffer {
  const count = Buffer.allocUnsafe(4);
  count.writeUInt32BE(frames);
  return Buffer.concat([encodePosition(from), encodePosition(to), count]);
}

export const decodeCut = (bytes: Buffer): Cut => ({
  from: decodePosition(bytes),
  to: decodePosition(bytes.subarray(positionBytes)),
  frames: bytes.readUInt32BE(2 * positionBytes),
});

/**
 * The name of the batch that begins here, for ever: the same journal never gives two batches one token, because positions only grow, and
 * another journal has another id.
 */
export const tokenOf = (journal: string, { segment, offset }: Position): string => `${journal}-${segment}-${offset}`;
