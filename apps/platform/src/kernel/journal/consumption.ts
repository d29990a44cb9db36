import { rm } from "node:fs/promises";
import { describeError } from "@tenfold/base";
import type { Log } from "../log.ts";
import { ApplyPace } from "./pace.ts";
import type { ConsumeOptions, Consumption } from "./port.ts";
import { readFrames, type Stretch } from "./reader.ts";
import type { Recent } from "./recent.ts";
import { type Cut, compare, encodeCut, encodePosition, type Position, tokenOf } from "./record.ts";
import type { Recovered } from "./recover.ts";
import { segmentPath } from "./segments.ts";
import type { Writer } from "./writer.ts";

export type Backlog = { frames: number; bytes: number; oldestMs: number };

/** What waits may take this long to be applied before devices are made to wait. */
const drainMs = 5_000;

export type Consumer = Consumption & {
  wrote(frames: number): void;
  backlog(): { frames: number; applied: Position };
  /** While more comes in than is applied: what resolves when that is over. */
  behind(): Promise<void> | undefined;
};

export type ConsumerParts = { dir: string; id: string; writer: Writer; recent: Recent; recovered: Recovered; log: Log };

/** Hands the frames on in batches, in order. The order of effects: fix the batch in the journal, apply it, note that it is applied. */
export function startConsumer({ dir, id, writer, recent, recovered, log }: ConsumerParts, options: ConsumeOptions): Consumer {
  const stopped = new AbortController();
  const { signal } = stopped;
  const replays = [...recovered.cuts];
  let position = recovered.applied;
  let waiting = recovered.frames;
  let wakeUp: (() => void) | undefined;
  let idle: PromiseWithResolvers<void> | undefined;
  let oldestAt = 0;
  let cleaning: Promise<void> = Promise.resolve();
  const pace = new ApplyPace({ freeBytes: 2 * options.maxBytes, drainMs }, performance.now());
  let behind: PromiseWithResolvers<void> | undefined;
  const lookBehind = () => {
    if (pace.isBehind(bytesBetween(position, writer.end(), writer.sizes), performance.now())) behind ??= Promise.withResolvers();
    else {
      behind?.resolve();
      behind = undefined;
    }
  };

  const wake = () => wakeUp?.();
  const sleep = (ms?: number) =>
    new Promise<void>((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
      wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
      if (signal.aborted) wakeUp();
    });

  const run = async () => {
    while (!signal.aborted) {
      const [cut] = replays;
      if (cut !== undefined) await replay(cut);
      else if (waiting > 0) await applyNext();
      else {
        await cleaning;
        if (waiting > 0) continue;
        idle?.resolve();
        idle = undefined;
        await sleep();
      }
    }
  };

  const applyNext = async () => {
    const age = performance.now() - oldestAt;
    const enough =
      waiting >= options.maxFrames || bytesBetween(position, writer.end(), writer.sizes) >= options.maxBytes || idle !== undefined;
    if (!enough && age < options.cutAfterMs) return sleep(options.cutAfterMs - age);
    const readAt = performance.now();
    const next = await whileItPasses(cutNext);
    if (next === undefined) return;
    await applyCut(next.cut, { ...next.stretch, again: false });
    oldestAt = readAt;
  };

  const cutNext = async () => {
    const stretch = await nextStretch();
    if (stretch.frames.length === 0) {
      // Nothing but cuts and checkpoints lay between; what follows is in memory.
      position = stretch.to;
      return undefined;
    }
    const cut: Cut = { from: position, to: stretch.to, frames: stretch.frames.length };
    await writer.write("cut", encodeCut(cut));
    return { cut, stretch };
  };

  const nextStretch = async (): Promise<Stretch> => {
    const limits = { frames: options.maxFrames, bytes: options.maxBytes };
    const remembered = recent.take(position, limits);
    if (remembered !== undefined) return remembered;
    return readFrames(dir, { from: position, until: recent.from ?? writer.end(), limits, sizes: writer.sizes });
  };

  const replay = async (cut: Cut) => {
    const stretch = await whileItPasses(() => readAgain(cut));
    if (stretch === undefined) return;
    await applyCut(cut, { ...stretch, again: true });
    replays.shift();
  };

  /** Tries again after a growing pause when the disk is full or file handles are used up; undefined when it is stopped meanwhile. */
  const whileItPasses = async <Done>(act: () => Promise<Done>): Promise<Done | undefined> => {
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        return await act();
      } catch (error) {
        if (!passes(error)) throw error;
        if (failures === 0) log.warn("journal.reading_failing", { because: describeError(error) });
        await sleep(Math.min(5_000, 100 * 2 ** failures));
      }
    }
    return undefined;
  };

  const readAgain = async (cut: Cut): Promise<Stretch> => {
    const stretch = await readFrames(dir, {
      from: cut.from,
      until: cut.to,
      limits: { frames: cut.frames, bytes: Number.POSITIVE_INFINITY },
      sizes: writer.sizes,
    });
    if (stretch.frames.length !== cut.frames)
      throw new Error(`The batch at ${tokenOf(id, cut.from)} has ${stretch.frames.length} frames instead of ${cut.frames}.`);
    return stretch;
  };

  const applyCut = async (cut: Cut, { frames, kept, again }: Stretch & { again: boolean }) => {
    const batch = { token: tokenOf(id, cut.from), frames, ...(kept && { kept }) };
    const began = performance.now();
    await untilApplied((failures) => options.apply({ ...batch, again: again || failures > 0 }, signal));
    if (signal.aborted) return;
    const now = performance.now();
    pace.applied({ bytes: bytesBetween(cut.from, cut.to, writer.sizes), tookMs: now - began, now });
    position = cut.to;
    waiting -= cut.frames;
    lookBehind();
    cleaning = noteApplied(cut.to);
  };

  const noteApplied = async (to: Position) => {
    try {
      await writer.write("checkpoint", encodePosition(to));
      await deleteBefore(to.segment);
    } catch (error) {
      // Without it, the batch is applied again after the next start, and its token makes nothing of it.
      log.warn("journal.checkpoint_lost", { because: describeError(error) });
    }
  };

  const untilApplied = async (apply: (failures: number) => Promise<void>) => {
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await apply(failures);
        if (failures > 0) log.info("journal.applying_again", { failures });
        return;
      } catch (error) {
        pace.failed();
        lookBehind();
        if (failures === 0 && !signal.aborted) log.warn("journal.apply_failing", { because: describeError(error) });
        await sleep(Math.min(5_000, 100 * 2 ** failures));
      }
    }
  };

  const deleteBefore = async (segment: number) => {
    for (const old of [...writer.sizes.keys()].filter((number) => number < segment)) {
      await rm(segmentPath(dir, old), { force: true });
      writer.forget(old);
    }
  };

  const running = run().catch((error: unknown) => {
    if (!signal.aborted) log.error("journal.reading_stopped", { because: describeError(error) });
    idle?.reject(error);
  });

  return {
    wrote(frames) {
      if (frames === 0) return;
      if (waiting === 0) oldestAt = performance.now();
      waiting += frames;
      lookBehind();
      wake();
    },
    backlog: () => ({ frames: waiting, applied: position }),
    behind: () => behind?.promise,
    caughtUp() {
      if (waiting === 0 && replays.length === 0) return Promise.resolve();
      idle ??= Promise.withResolvers();
      wake();
      return idle.promise;
    },
    async stop() {
      stopped.abort();
      behind?.resolve();
      wake();
      await running;
      await cleaning;
    },
  };
}

const passingCodes = new Set(["journal_full", "journal_busy", "EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "EDQUOT", "EAGAIN"]);
const passes = (error: unknown) => error instanceof Error && "code" in error && passingCodes.has(String(error.code));

export function bytesBetween(from: Position, to: Position, sizes: ReadonlyMap<number, number>): number {
  if (compare(from, to) >= 0) return 0;
  if (from.segment === to.segment) return to.offset - from.offset;
  let bytes = (sizes.get(from.segment) ?? from.offset) - from.offset + to.offset;
  for (let segment = from.segment + 1; segment < to.segment; segment++) bytes += sizes.get(segment) ?? 0;
  return bytes;
}
