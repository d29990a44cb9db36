import { randomBytes } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import type { Log } from "../log.ts";
import { type Cut, compare, decodeCut, decodePosition, type Position, type RecordKind } from "./record.ts";
import { createSegment, damaged, listSegments, readHeader, segmentHeaderBytes, segmentPath, visitRecords } from "./segments.ts";

/** What an earlier process left behind, made whole. */
export type Recovered = {
  id: string;
  /** The last segment, open for more. */
  active: FileHandle;
  end: Position;
  /** Bytes of each segment, headers included. */
  sizes: Map<number, number>;
  /** Everything before this is applied. */
  applied: Position;
  /** Batches that were fixed and not yet applied, in order. */
  cuts: Cut[];
  /** Frames after `applied`. */
  frames: number;
};

/**
 * Reads the journal in `dir`, or begins one. A record at the very end that was never completely written was never acknowledged: it is
 * cut off, and so are the zeros that the file was made longer by. Rejects with `journal_damaged` when a finished segment has a bad record.
 */
export async function recover(dir: string, log: Log): Promise<Recovered> {
  const numbers = await listSegments(dir);
  const found: Found = { checkpoint: undefined, cuts: [] };
  const sizes = new Map<number, number>();
  let id: string | undefined;
  for (const segment of numbers) {
    const isLast = segment === numbers.at(-1);
    const file = await open(segmentPath(dir, segment), "r+");
    try {
      const header = await readHeader(file, segment);
      if (header === undefined && isLast) {
        // The process died while it made this file; nothing was in it yet.
        await rm(segmentPath(dir, segment));
        break;
      }
      if (header === undefined || (id !== undefined && id !== header)) throw damaged(dir, segment, 0);
      id = header;
      const size = (await file.stat()).size;
      const { end, is } = await visitRecords(file, { from: segmentHeaderBytes, to: size }, ({ kind, payload }) =>
        collect(found, kind, payload),
      );
      if (is === "torn" && !isLast) throw damaged(dir, segment, end);
      if (is === "torn") await cutTail(file, { segment, size, end, log });
      sizes.set(segment, end);
    } finally {
      await file.close();
    }
  }
  return begin(dir, { id: id ?? randomBytes(8).toString("hex"), sizes, found });
}

type Found = { checkpoint: Position | undefined; cuts: Cut[] };

function collect(found: Found, kind: RecordKind, payload: Buffer): "on" {
  if (kind === "checkpoint") found.checkpoint = decodePosition(payload);
  if (kind === "cut") found.cuts.push(decodeCut(payload));
  return "on";
}

async function cutTail(
  file: FileHandle,
  { segment, size, end, log }: { segment: number; size: number; end: number; log: Log },
): Promise<void> {
  const bytes = (await lastByte(file, end, size)) - end;
  if (bytes > 0) log.warn("journal.tail_cut", { segment, at: end, bytes });
  await file.truncate(end);
  await file.datasync();
}

/** The place behind the last byte that is not zero; `from` when there is none. */
async function lastByte(file: FileHandle, from: number, to: number): Promise<number> {
  const chunk = Buffer.allocUnsafe(1 << 20);
  let last = from;
  for (let at = from; at < to; ) {
    const { bytesRead } = await file.read(chunk, 0, Math.min(chunk.length, to - at), at);
    if (bytesRead === 0) break;
    const place = chunk.subarray(0, bytesRead).findLastIndex((byte) => byte !== 0);
    if (place >= 0) last = at + place + 1;
    at += bytesRead;
  }
  return last;
}

async function begin(
  dir: string,
  { id, sizes, found }: { id: string; sizes: Map<number, number>; found: Found },
): Promise<Recovered> {
  const first = [...sizes.keys()][0];
  const last = [...sizes.keys()].at(-1);
  if (first === undefined || last === undefined) {
    const active = await createSegment(dir, { id, segment: 1 });
    const start = { segment: 1, offset: segmentHeaderBytes };
    return { id, active, end: start, sizes: new Map([[1, segmentHeaderBytes]]), applied: start, cuts: [], frames: 0 };
  }
  const applied = found.checkpoint ?? { segment: first, offset: segmentHeaderBytes };
  const cuts = found.cuts.filter((cut) => compare(cut.from, applied) >= 0);
  const frames = await countFrames(dir, { sizes, from: applied });
  const active = await open(segmentPath(dir, last), "r+");
  return { id, active, end: { segment: last, offset: sizes.get(last) ?? segmentHeaderBytes }, sizes, applied, cuts, frames };
}

async function countFrames(dir: string, { sizes, from }: { sizes: Map<number, number>; from: Position }): Promise<number> {
  let frames = 0;
  for (const [segment, size] of sizes) {
    if (segment < from.segment) continue;
    const file = await open(segmentPath(dir, segment), "r");
    try {
      await visitRecords(file, { from: segment === from.segment ? from.offset : segmentHeaderBytes, to: size }, ({ kind }) => {
        if (kind === "frame") frames++;
        return "on";
      });
    } finally {
      await file.close();
    }
  }
  return frames;
}
