import { type FileHandle, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { journalProblems } from "./problems.ts";
import { type RecordKind, readRecord } from "./record.ts";

/** A segment file begins with these: magic, the journal's id (16 hex digits), the segment's number. */
const magic = "TFJ1";
const idChars = 16;
export const segmentHeaderBytes = magic.length + idChars + 6;

export const segmentPath = (dir: string, segment: number): string => join(dir, `${String(segment).padStart(10, "0")}.segment`);

/** The numbers of the segments in the folder, oldest first. */
export async function listSegments(dir: string): Promise<number[]> {
  const names = await readdir(dir);
  return names.flatMap((name) => (/^\d{10}\.segment$/.test(name) ? [Number.parseInt(name, 10)] : [])).sort((a, b) => a - b);
}

/** Makes an empty segment whose name and header are on the disk when it returns. */
export async function createSegment(dir: string, { id, segment }: { id: string; segment: number }): Promise<FileHandle> {
  const path = segmentPath(dir, segment);
  const file = await open(path, "wx");
  try {
    const header = Buffer.alloc(segmentHeaderBytes);
    header.write(`${magic}${id}`, "latin1");
    header.writeUIntBE(segment, magic.length + idChars, 6);
    await file.write(header, 0, header.length, 0);
    await file.datasync();
    await syncFolder(dir);
    return file;
  } catch (error) {
    await file.close();
    await rm(path, { force: true });
    throw error;
  }
}

/** The journal's id in the header; undefined when the header is not whole. */
export async function readHeader(file: FileHandle, segment: number): Promise<string | undefined> {
  const header = Buffer.alloc(segmentHeaderBytes);
  const { bytesRead } = await file.read(header, 0, header.length, 0);
  const text = header.toString("latin1", 0, magic.length + idChars);
  const whole = bytesRead === header.length && text.startsWith(magic) && header.readUIntBE(magic.length + idChars, 6) === segment;
  return whole ? text.slice(magic.length) : undefined;
}

export async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export type Visit = (record: { kind: RecordKind; payload: Buffer; offset: number; next: number }) => "on" | "stop";

const chunkBytes = 1024 * 1024;

/**
 * Shows the records of a segment from `from` to `to`, in order, until `visit` says stop. Returns where it stopped, and whether what
 * stands there is whole. Reads a chunk at a time, so a segment is never in memory as a whole; payloads live only during the visit.
 */
export async function visitRecords(
  file: FileHandle,
  { from, to }: { from: number; to: number },
  visit: Visit,
): Promise<{ end: number; is: "whole" | "torn" }> {
  let base = from;
  let want = chunkBytes;
  while (base < to) {
    const bytes = await readChunk(file, base, Math.min(want, to - base));
    const { offset, need, is } = visitChunk(bytes, base, visit);
    base += offset;
    if (is === "torn" || is === "stopped") return { end: base, is: is === "torn" ? "torn" : "whole" };
    // No more comes from the file than what ends at `to`: a record that would go on behind it was never completely written.
    if (base < to && base + need > to) return { end: base, is: "torn" };
    if (bytes.length === 0) return { end: base, is: "torn" };
    want = Math.max(chunkBytes, need);
  }
  return { end: base, is: "whole" };
}

async function readChunk(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const chunk = Buffer.allocUnsafe(length);
  return chunk.subarray(0, (await file.read(chunk, 0, length, at)).bytesRead);
}

/** Visits the whole records of a chunk. `need` says how many bytes the next record asks for from `offset` on. */
function visitChunk(bytes: Buffer, base: number, visit: Visit): { offset: number; need: number; is: "short" | "torn" | "stopped" } {
  for (let offset = 0; ; ) {
    const read = readRecord(bytes, offset);
    if (read.is === "short") return { offset, need: read.need, is: "short" };
    if (read.is === "torn") return { offset, need: 0, is: "torn" };
    const answer = visit({ kind: read.kind, payload: read.payload, offset: base + offset, next: base + read.next });
    offset = read.next;
    if (answer === "stop") return { offset, need: 0, is: "stopped" };
  }
}

export const damaged = (dir: string, segment: number, offset: number) =>
  journalProblems.journal_damaged(
    `The journal's segment ${segmentPath(dir, segment)} is damaged at byte ${offset}: a record that was once written and acknowledged cannot be read.`,
    {
      fix: "Check the disk. Move this file and all older ones out of the folder to go on without them, and keep them for recovery.",
    },
  );
