import { setTimeout as pause } from "node:timers/promises";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { describeError } from "@tenfold/base";
import type { Log } from "../../log.ts";
import type { ConsumeOptions, Consumption } from "../port.ts";
import { journalProblems } from "../problems.ts";
import { tokenAfter } from "./cursor.ts";
import { type Reader, readStream, type Stretch } from "./reader.ts";
import { readCursor, type Turn, TurnLost, type TurnParts, takeTurn } from "./turn.ts";

export type StreamConsumer = Consumption & { held(): { frames: number; bytes: number }; active(): boolean };

export type StreamConsumerParts = { js: JetStreamClient; jsm: JetStreamManager; stream: string; turns: TurnParts; log: Log };

const purgeEveryMs = 1_000;

/**
 * Hands the frames on in batches, in order, in one process at a time; the others wait for their turn. The order of effects: fix the batch in
 * the cursor, apply it, note that it is applied. Two processes that both believe it is their turn can only apply the same batch under the
 * same token, because the cursor takes one cut behind another.
 */
export function startStreamConsumer({ js, jsm, stream, turns, log }: StreamConsumerParts, options: ConsumeOptions): StreamConsumer {
  const stopped = new AbortController();
  const { signal } = stopped;
  let reader: Reader | undefined;
  let hurried = 0;
  let purgedAt = 0;

  const run = async () => {
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        const turn = await takeTurn(turns, signal);
        if (turn === undefined) return;
        log.info("journal.turn_taken", { after: turn.cursor().applied });
        failures = 0;
        await goOn(turn);
      } catch (error) {
        noteFailure(error, failures);
        await rest(Math.min(5_000, 100 * 2 ** failures));
      }
    }
  };
  const noteFailure = (error: unknown, before: number) => {
    if (error instanceof TurnLost) log.warn("journal.turn_lost");
    else if (before === 0) log.error("journal.reading_failing", { because: describeError(error) });
  };
  /** Applies until it is stopped, or throws when it cannot go on. */
  const goOn = async (turn: Turn) => {
    const away = new AbortController();
    const ended = AbortSignal.any([signal, away.signal]);
    const beat = setInterval(() => {
      turn.touch().catch((error: unknown) => {
        if (error instanceof TurnLost) away.abort(error);
      });
    }, turns.takeOverMs / 6);
    const mine = await readStream(js, { stream, after: turn.cursor().applied });
    reader = mine;
    try {
      const { cut } = turn.cursor();
      if (cut !== undefined) await apply(turn, { ...(await readAgain(mine, cut, ended)), again: true }, ended);
      while (!ended.aborted) await applyNext(turn, mine, ended);
      if (away.signal.aborted) throw away.signal.reason;
      await turn.release();
    } finally {
      clearInterval(beat);
      reader = undefined;
      await mine.close();
    }
  };
  const applyNext = async (turn: Turn, mine: Reader, ended: AbortSignal) => {
    if (!(await mine.waitFor(turns.takeOverMs / 4, ended))) return;
    const { frames, bytes } = mine.held();
    const age = performance.now() - (mine.oldestAt() ?? 0);
    if (frames < options.maxFrames && bytes < options.maxBytes && age < options.cutAfterMs && hurried === 0)
      return pause(Math.min(options.cutAfterMs - age, 50), undefined, { signal: ended }).catch(() => undefined);
    const stretch = mine.take({ frames: options.maxFrames, bytes: options.maxBytes });
    if (stretch === undefined) return;
    await turn.write({ applied: turn.cursor().applied, cut: { to: stretch.to, frames: stretch.frames.length } });
    await apply(turn, { ...stretch, again: false }, ended);
  };
  const readAgain = async (mine: Reader, cut: { to: number; frames: number }, ended: AbortSignal): Promise<Stretch> => {
    const frames: Buffer[] = [];
    let to = 0;
    while (to < cut.to && !ended.aborted) {
      if (!(await mine.waitFor(1_000, ended))) continue;
      const stretch = mine.take({ frames: cut.frames, bytes: Number.POSITIVE_INFINITY, until: cut.to });
      if (stretch === undefined) break;
      frames.push(...stretch.frames);
      to = stretch.to;
    }
    if (!ended.aborted && (to !== cut.to || frames.length !== cut.frames))
      throw journalProblems.journal_damaged(
        `The batch that ends at message ${cut.to} of the stream ${stream} has ${frames.length} frames instead of ${cut.frames}.`,
        { fix: "Was the stream purged by hand, or restored from a backup without its cursor?" },
      );
    return { frames, to };
  };
  /** The cursor holds the cut of this stretch. */
  const apply = async (turn: Turn, { frames, to, again }: Stretch & { again: boolean }, ended: AbortSignal) => {
    const token = tokenAfter(turn.cursor());
    await untilApplied((failures) => options.apply({ token, frames, again: again || failures > 0 }, ended), ended);
    if (ended.aborted) return;
    await turn.write({ applied: to });
    await purge(to);
  };
  const untilApplied = async (work: (failures: number) => Promise<void>, ended: AbortSignal) => {
    for (let failures = 0; !ended.aborted; failures++) {
      try {
        await work(failures);
        if (failures > 0) log.info("journal.applying_again", { failures });
        return;
      } catch (error) {
        if (failures === 0 && !ended.aborted) log.warn("journal.apply_failing", { because: describeError(error) });
        await pause(Math.min(5_000, 100 * 2 ** failures), undefined, { signal: ended }).catch(() => undefined);
      }
    }
  };
  /** Gives the stream its room back. What is left is not applied again: the cursor is behind it. */
  const purge = async (applied: number) => {
    const now = performance.now();
    if (now - purgedAt < purgeEveryMs && hurried === 0) return;
    purgedAt = now;
    await jsm.streams.purge(stream, { seq: applied + 1 }).catch((error: unknown) => {
      log.warn("journal.purge_failing", { because: describeError(error) });
    });
  };
  const rest = (ms: number) => pause(ms, undefined, { signal }).catch(() => undefined);
  const running = run();

  return {
    held: () => reader?.held() ?? { frames: 0, bytes: 0 },
    active: () => reader !== undefined,
    async caughtUp() {
      hurried += 1;
      try {
        const { state } = await jsm.streams.info(stream);
        while (!signal.aborted) {
          const { cursor } = await readCursor(turns);
          if (state.messages === 0 || (cursor !== undefined && cursor.stream === turns.about && cursor.applied >= state.last_seq))
            return;
          await rest(20);
        }
      } finally {
        hurried -= 1;
      }
    },
    async stop() {
      stopped.abort();
      await running;
    },
  };
}
