import { describeError } from "@tenfold/base";
import type { Log } from "./log.ts";

export type Loop = {
  /** Runs soon, without waiting for the timer. */
  wake(): void;
  /** Resolves when the run under way has ended; no other begins. */
  stop(): Promise<void>;
};

export type LoopOptions = { name: string; everyMs: number; run: (signal: AbortSignal) => Promise<void>; log: Log };

/**
 * Runs again and again: on a timer, because events get lost, and on `wake`, because timers are slow. Runs never overlap. A run that
 * throws is logged once when failing begins and once when it ends, and the loop goes on.
 */
export function startLoop({ name, everyMs, run, log }: LoopOptions): Loop {
  const ended = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let again = false;
  let failingSince: number | undefined;

  const schedule = (delay: number) => {
    clearTimeout(timer);
    if (!ended.signal.aborted) timer = setTimeout(start, delay);
  };
  const start = () => {
    again = false;
    running = attempt().finally(() => {
      running = undefined;
      schedule(again ? 0 : everyMs);
    });
  };
  const attempt = async () => {
    try {
      await run(ended.signal);
      if (failingSince !== undefined) log.info("loop.recovered", { loop: name, afterMs: Date.now() - failingSince });
      failingSince = undefined;
    } catch (error) {
      if (ended.signal.aborted) return;
      if (failingSince === undefined) log.error("loop.failing", { loop: name, because: describeError(error) });
      failingSince ??= Date.now();
    }
  };

  schedule(0);
  return {
    wake() {
      if (running) again = true;
      else schedule(0);
    },
    async stop() {
      ended.abort();
      clearTimeout(timer);
      await running;
    },
  };
}
