import type { FileHandle } from "node:fs/promises";
import type { Log } from "../log.ts";
import { journalProblems } from "./problems.ts";
import type { WrittenGroup } from "./recent.ts";
import { longestPayload, type Position, type RecordKind, recordHeaderBytes, writeRecord } from "./record.ts";
import type { Recovered } from "./recover.ts";
import { createSegment, segmentHeaderBytes } from "./segments.ts";

/** Sizes in bytes, times in milliseconds. */
export type JournalLimits = {
  segmentBytes: number;
  /** Bytes on disk; beyond it nothing is taken. At least four segments, because space comes back a segment at a time. */
  quotaBytes: number;
  /** Bytes that may wait in memory for the disk; half of it is pressure. */
  waitingBytes: number;
  /** The longest time that a busy journal gathers before it writes. */
  gatherMs: number;
  /**
   * Bytes of frames that are kept in memory until they are applied; what goes beyond is read from the disk again. Some batches' worth: what is read in
   * them takes many times their size, and a store that is behind by more lets it grow old, which costs more to collect than to read again.
   */
  keptBytes: number;
  /**
   * The active file is this much longer than what is in it, in zeros, so that most writes fall on blocks that it has: a flush is then the data's alone,
   * where a file that grows makes the file system flush its own journal too, and wait there for whatever else was written.
   */
  aheadBytes: number;
};

export const usualLimits: JournalLimits = {
  segmentBytes: 64 << 20,
  quotaBytes: 4 * 1024 ** 3,
  waitingBytes: 32 << 20,
  gatherMs: 5,
  keptBytes: 2 << 20,
  aheadBytes: 1 << 20,
};

/** What the disk does; replaced only by tests of failing disks. */
export type Disk = { write(file: FileHandle, bytes: Buffer, at: number): Promise<void>; datasync(file: FileHandle): Promise<void> };

export const realDisk: Disk = {
  async write(file, bytes, at) {
    for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
  },
  datasync: (file) => file.datasync(),
};

/** What is written together. `bytes` holds the records as they will stand on the disk, `ends` where in it each frame's record ends. */
type Group = {
  bytes: Buffer;
  length: number;
  frames: Buffer[];
  kept: (object | undefined)[];
  ends: number[];
  done: PromiseWithResolvers<Position>;
};

export type Writer = {
  /** Resolves with the end of the journal as of then, when the record is on the disk: one promise for all records of one write. */
  write(kind: RecordKind, payload: Buffer, kept?: object): Promise<Position>;
  pressure(): "none" | "high";
  /** Resolves when there is no pressure. */
  ready(): Promise<void>;
  broken(): string | undefined;
  /** Up to where all is on the disk. */
  end(): Position;
  /** Bytes of each segment, headers included. */
  sizes: ReadonlyMap<number, number>;
  /** Takes a deleted segment out of the account. */
  forget(segment: number): void;
  close(): Promise<void>;
};

export type WriterOptions = {
  dir: string;
  recovered: Recovered;
  limits: JournalLimits;
  disk: Disk;
  log: Log;
  onWritten: (written: WrittenGroup) => void;
  onBroken: (because: string) => void;
};

/**
 * How long to gather before a write that would start from idle: not at all for a lone record, and about as long as the disk takes when
 * several came together, because each write costs the same whatever its size.
 */
export const gatherFor = ({ lastFrames, lastSyncMs, most }: { lastFrames: number; lastSyncMs: number; most: number }): number =>
  lastFrames < 4 ? 0 : Math.min(most, Math.max(1, Math.ceil(lastSyncMs)));

/** Group commit: one write and one fdatasync at a time, for all that came meanwhile. */
export function startWriter({ dir, recovered, limits, disk, log, onWritten, onBroken }: WriterOptions): Writer {
  const { id, sizes } = recovered;
  let file = recovered.active;
  let end = recovered.end;
  /** Up to here the file's blocks are written, with zeros behind the end. */
  let ahead = end.offset;
  let onDisk = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  let group = newGroup();
  let waiting = 0;
  let writing: Promise<void> | undefined;
  let broken: string | undefined;
  let closed = false;
  let last = { frames: 0, syncMs: 0 };
  let relief: PromiseWithResolvers<void> | undefined;

  const pressure = () => (waiting > limits.waitingBytes / 2 ? "high" : "none");

  const drain = async () => {
    await pause(gatherFor({ lastFrames: last.frames, lastSyncMs: last.syncMs, most: limits.gatherMs }));
    while (group.length > 0) {
      const taken = group;
      group = newGroup();
      await commit(taken);
      waiting -= taken.length;
      if (pressure() === "none") {
        relief?.resolve();
        relief = undefined;
      }
    }
    writing = undefined; // In the same breath as the last look at the group, so that no record is left alone.
  };

  const commit = async (taken: Group) => {
    if (broken !== undefined) return taken.done.reject(journalProblems.journal_broken(broken));
    const began = performance.now();
    try {
      if (end.offset > segmentHeaderBytes && end.offset + taken.length > limits.segmentBytes) await rotate();
      if (end.offset + taken.length > ahead) await goAhead(end.offset + taken.length);
      await disk.write(file, taken.bytes.subarray(0, taken.length), end.offset);
    } catch (error) {
      return taken.done.reject(broken === undefined ? await undo(error) : error);
    }
    try {
      await flush();
    } catch (error) {
      return taken.done.reject(error);
    }
    const from = end;
    end = { segment: from.segment, offset: from.offset + taken.length };
    sizes.set(end.segment, end.offset);
    onDisk += taken.length;
    last = { frames: taken.frames.length, syncMs: performance.now() - began };
    onWritten({ from, frames: taken.frames, kept: taken.kept, ends: taken.ends.map((place) => from.offset + place) });
    taken.done.resolve(end);
  };

  const flush = async () => {
    try {
      await disk.datasync(file);
    } catch (error) {
      // The kernel may have dropped the pages and will report success next time (fsyncgate): nothing after this can be believed.
      throw breakDown("An fdatasync failed", error);
    }
  };

  /** A disk without room for zeros may still have room for records. */
  const goAhead = async (from: number) => {
    const bytes = Math.min(limits.aheadBytes, limits.segmentBytes - from);
    ahead = from;
    if (bytes <= 0) return;
    await disk.write(file, Buffer.alloc(bytes), from).then(
      () => {
        ahead = from + bytes;
      },
      () => undefined,
    );
  };

  const rotate = async () => {
    // A segment that another follows ends with its last record: zeros there would be records that a disk has lost.
    await file.truncate(end.offset);
    await flush();
    const next = await createSegment(dir, { id, segment: end.segment + 1 });
    await file.close();
    file = next;
    end = { segment: end.segment + 1, offset: segmentHeaderBytes };
    ahead = end.offset;
    sizes.set(end.segment, end.offset);
    onDisk += end.offset;
  };

  /** A write that failed may have left a part behind, which must not be read as a record later. */
  const undo = async (error: unknown) => {
    try {
      await file.truncate(end.offset);
      ahead = end.offset;
      return journalProblems.journal_full("The journal cannot be written; nothing of this was taken.", {
        cause: error,
        fix: "Make room on the disk of the data folder.",
        retryAfterS: 5,
      });
    } catch (second) {
      return breakDown("A failed write could not be undone", second);
    }
  };

  const breakDown = (what: string, cause: unknown) => {
    if (broken === undefined) {
      broken = `${what}; the journal takes nothing more until the server starts again.`;
      log.error("journal.broken", { because: String(cause) });
      onBroken(broken);
    }
    return journalProblems.journal_broken(broken, { cause });
  };

  const refusal = (kind: RecordKind, bytes: number) => {
    if (broken !== undefined) return journalProblems.journal_broken(broken);
    if (closed) return journalProblems.journal_closed("The journal is closing.");
    if (kind !== "frame") return undefined;
    if (bytes > longestPayload)
      return journalProblems.frame_too_large(`A frame may have ${longestPayload} bytes, this one has ${bytes}.`);
    if (waiting + bytes > limits.waitingBytes)
      return journalProblems.journal_busy("Too many bytes wait for the disk.", { retryAfterS: 1 });
    const room = limits.quotaBytes - onDisk - waiting;
    return room < bytes
      ? journalProblems.journal_full(`The journal has reached its quota of ${limits.quotaBytes} bytes.`, {
          fix: "Bring the store back, or give the journal more room.",
          retryAfterS: 5,
        })
      : undefined;
  };

  return {
    write(kind, payload, kept) {
      const refused = refusal(kind, payload.length);
      if (refused !== undefined) return Promise.reject(refused);
      makeRoom(group, recordHeaderBytes + payload.length);
      const before = group.length;
      group.length = writeRecord(group.bytes, before, { kind, payload });
      waiting += group.length - before;
      if (kind === "frame") {
        group.frames.push(payload);
        group.kept.push(kept);
        group.ends.push(group.length);
      }
      const { promise } = group.done;
      writing ??= drain();
      return promise;
    },
    pressure,
    ready() {
      if (pressure() === "none") return Promise.resolve();
      relief ??= Promise.withResolvers();
      return relief.promise;
    },
    broken: () => broken,
    end: () => end,
    sizes,
    forget(segment) {
      onDisk -= sizes.get(segment) ?? 0;
      sizes.delete(segment);
    },
    async close() {
      closed = true;
      while (writing !== undefined) await writing;
      if (broken === undefined) await file.truncate(end.offset);
      await file.close();
    },
  };
}

function newGroup(): Group {
  const done = Promise.withResolvers<Position>();
  done.promise.catch(() => undefined); // Whoever wrote also hears of it; a checkpoint's writer may not care.
  return { bytes: nothing, length: 0, frames: [], kept: [], ends: [], done };
}

const nothing = Buffer.alloc(0);
const firstRoom = 4 * 1024;

/** Twice as much each time, so that growing costs linear time in all. */
function makeRoom(group: Group, bytes: number): void {
  if (group.length + bytes <= group.bytes.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(firstRoom, 2 * group.bytes.length, group.length + bytes));
  group.bytes.copy(larger, 0, 0, group.length);
  group.bytes = larger;
}

const pause = (ms: number) => new Promise<void>((resolve) => (ms === 0 ? setImmediate(resolve) : setTimeout(resolve, ms)));
