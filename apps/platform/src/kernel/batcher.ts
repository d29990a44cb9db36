import { describeError } from "@tenfold/base";
import type { Log } from "./log.ts";

export type Batcher<Item> = {
  add(item: Item): void;
  /** Writes what waits, and ends. */
  stop(): Promise<void>;
};

export type BatcherOptions<Item> = {
  name: string;
  everyMs: number /** What waits at most; more is left out and counted in the log. */;
  most: number;
  write: (items: Item[]) => Promise<void>;
  log: Log;
};

/** Gathers small facts that may be late and may be lost with the process, and writes them together. One write at a time. */
export function createBatcher<Item>({ name, everyMs, most, write, log }: BatcherOptions<Item>): Batcher<Item> {
  let waiting: Item[] = [];
  let leftOut = 0;
  let writing: Promise<void> | undefined;
  const flush = async () => {
    const items = waiting;
    waiting = [];
    if (leftOut > 0) log.warn("batcher.left_out", { batcher: name, items: leftOut });
    leftOut = 0;
    if (items.length === 0) return;
    await write(items).catch((error: unknown) =>
      log.error("batcher.lost", { batcher: name, items: items.length, because: describeError(error) }),
    );
  };
  const timer = setInterval(() => {
    writing ??= flush().finally(() => {
      writing = undefined;
    });
  }, everyMs);
  timer.unref();
  return {
    add(item) {
      if (waiting.length < most) waiting.push(item);
      else leftOut += 1;
    },
    async stop() {
      clearInterval(timer);
      await writing;
      await flush();
    },
  };
}
