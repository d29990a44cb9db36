import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { JetStreamApiError, type JetStreamClient } from "@nats-io/jetstream";
import { describeError } from "@tenfold/base";
import type { Log } from "../../log.ts";
import { journalProblems } from "../problems.ts";
import { longestPayload } from "../record.ts";
import { gatherFor } from "../writer.ts";
import { packed } from "./packing.ts";

/** Sizes in bytes, times in milliseconds. */
export type StreamLimits = {
  /** Bytes that the stream may hold; beyond it nothing is taken. */
  quotaBytes: number;
  /** Bytes that may wait in memory for the stream; half of it is pressure. */
  waitingBytes: number;
  /** What may wait in the stream without a look at how fast it is applied. */
  freeBytes: number;
  /** The longest time that a busy journal gathers before it publishes. */
  gatherMs: number;
  /** Frames in one message, and its bytes unless a single frame is larger. */
  maxFrames: number;
  maxBytes: number;
  /** How long a frame may wait to be stored: less than a link waits before it gives up. */
  publishMs: number;
  /** How long another process's turn is believed in while nothing is heard of it. */
  takeOverMs: number;
};

export const usualStreamLimits: StreamLimits = {
  quotaBytes: 4 * 1024 ** 3,
  waitingBytes: 32 << 20,
  freeBytes: 8 << 20,
  gatherMs: 5,
  maxFrames: 1_000,
  maxBytes: 512 << 10,
  publishMs: 25_000,
  takeOverMs: 6_000,
};

type Group = { records: Buffer[]; bytes: number; since: number; done: PromiseWithResolvers<void> };

export type Publisher = {
  append(frame: Buffer): Promise<void>;
  pressure(): "none" | "high";
  ready(): Promise<void>;
  /** Publishes what waits; takes nothing more. */
  close(): Promise<void>;
};

type Parts = {
  js: JetStreamClient;
  stream: string;
  subject: string;
  limits: StreamLimits;
  /** The largest message that the server takes, bytes. */
  maxPayload: number;
  onReturn: (listener: () => void) => () => void;
  log: Log;
};

/** Room in a message for what is not payload: subject, headers. */
const overheadBytes = 1_024;
const attemptMs = 5_000;
/** JetStream's own numbers: the stream has reached its bytes or messages, or the server its disk. */
const full = new Set([10_047, 10_054, 10_077, 10_023, 10_028]);

/**
 * Group commit: one message under way at a time, for all frames that came meanwhile. It is published under one name until it is
 * acknowledged, so that the stream keeps it once however often it is sent (`Nats-Msg-Id`, within the stream's window of two minutes).
 */
export function startPublisher({ js, stream, subject, limits, maxPayload, onReturn, log }: Parts): Publisher {
  const name = randomUUID();
  const room = Math.min(limits.maxBytes, maxPayload - overheadBytes);
  const groups: Group[] = [];
  let waiting = 0;
  let sent = 0;
  let closed = false;
  let working: Promise<void> | undefined;
  let relief: PromiseWithResolvers<void> | undefined;
  let last = { frames: 0, syncMs: 0 };
  let failing = false;
  const pressure = () => (waiting > limits.waitingBytes / 2 ? "high" : "none");

  const drain = async () => {
    const gather = gatherFor({ lastFrames: last.frames, lastSyncMs: last.syncMs, most: limits.gatherMs });
    await (gather === 0 ? new Promise(setImmediate) : pause(gather));
    for (let group = groups.shift(); group !== undefined; group = groups.shift()) {
      await publish(group);
      waiting -= group.bytes;
      if (pressure() === "none") {
        relief?.resolve();
        relief = undefined;
      }
    }
    working = undefined; // In the same breath as the last look at the groups, so that no frame is left alone.
  };
  /** A connection that broke and came back has forgotten the question: it is asked again at once, not after the time for an answer. */
  const attempt = async (payload: Buffer, msgID: string) => {
    const forgotten = Promise.withResolvers<never>();
    const leave = onReturn(() => forgotten.reject(new Error("The connection to NATS broke.")));
    try {
      await Promise.race([
        js.publish(subject, payload, { msgID, timeout: attemptMs, expect: { streamName: stream } }),
        forgotten.promise,
      ]);
    } finally {
      leave();
    }
  };
  const noteFailure = (error: unknown) => {
    if (!failing) log.error("journal.publishing_failing", { because: describeError(error) });
    failing = true;
  };
  const noteSuccess = () => {
    if (failing) log.info("journal.publishing_again");
    failing = false;
  };
  const publish = async (group: Group) => {
    const began = performance.now();
    const payload = Buffer.concat(group.records, group.bytes);
    const msgID = `${name}-${sent++}`;
    for (let failures = 0; ; failures++) {
      try {
        await attempt(payload, msgID);
        noteSuccess();
        last = { frames: group.records.length, syncMs: performance.now() - began };
        return group.done.resolve();
      } catch (error) {
        const final = verdictOn(error, performance.now() - group.since > limits.publishMs || closed);
        if (final !== undefined) return group.done.reject(final);
        noteFailure(error);
        await pause(Math.min(1_000, 50 * 2 ** failures));
      }
    }
  };
  const groupFor = (bytes: number): Group => {
    const newest = groups.at(-1);
    if (newest && newest.records.length < limits.maxFrames && newest.bytes + bytes <= room) return newest;
    const group: Group = { records: [], bytes: 0, since: performance.now(), done: Promise.withResolvers() };
    group.done.promise.catch(() => undefined); // Whoever appended hears of it.
    groups.push(group);
    return group;
  };
  const refusal = (bytes: number) => {
    if (closed) return journalProblems.journal_closed("The journal is closing.");
    const most = Math.min(longestPayload, maxPayload - overheadBytes);
    if (bytes > most) return journalProblems.frame_too_large(`A frame may have ${most} bytes, this one has ${bytes}.`);
    return waiting + bytes > limits.waitingBytes
      ? journalProblems.journal_busy("Too many bytes wait for the stream.", { retryAfterS: 1 })
      : undefined;
  };

  return {
    append(frame) {
      const refused = refusal(frame.length);
      if (refused !== undefined) return Promise.reject(refused);
      const record = packed(frame);
      const group = groupFor(record.length);
      group.records.push(record);
      group.bytes += record.length;
      waiting += record.length;
      working ??= drain();
      return group.done.promise;
    },
    pressure,
    ready() {
      if (pressure() === "none") return Promise.resolve();
      relief ??= Promise.withResolvers();
      return relief.promise;
    },
    async close() {
      closed = true;
      while (working !== undefined) await working;
    },
  };
}

/** What a failed attempt means for the frames; undefined: try again. */
function verdictOn(error: unknown, late: boolean): Error | undefined {
  if (error instanceof JetStreamApiError && full.has(error.code))
    return journalProblems.journal_full("The intake stream has reached its bytes; nothing of this was taken.", {
      cause: error,
      fix: "Bring the store back, or give the stream more room with TENFOLD_JOURNAL_MAX_BYTES.",
      retryAfterS: 5,
    });
  return late
    ? journalProblems.journal_unavailable("NATS did not acknowledge in time; send it again.", { cause: error, retryAfterS: 5 })
    : undefined;
}
