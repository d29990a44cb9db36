import { describeError } from "@tenfold/base";
import type { Log } from "./kernel/index.ts";

/** What was started, so that it is stopped again: at the end, or when a later part could not be started. */
export type Ending = {
  /** `end` is called before the parts that were added earlier are ended. */
  add(part: string, withinMs: number, end: () => Promise<unknown>): void;
  /** Ends every part. One that fails or is late is named in the log, and the others end all the same. Never rejects; safe to call twice. */
  end(): Promise<void>;
};

export function createEnding(log: Log): Ending {
  const parts: { part: string; withinMs: number; end: () => Promise<unknown> }[] = [];
  let ended: Promise<void> | undefined;
  const endAll = async () => {
    for (const { part, withinMs, end } of parts.splice(0).toReversed()) {
      const because = await failureOf(end, withinMs);
      if (because !== undefined) log.error("platform.part_not_stopped", { stopping: part, because });
    }
  };
  return {
    add: (part, withinMs, end) => void parts.push({ part, withinMs, end }),
    end: () => (ended ??= endAll()),
  };
}

/** Why it did not end in time; undefined when it did. */
async function failureOf(end: () => Promise<unknown>, withinMs: number): Promise<string | undefined> {
  const late = Promise.withResolvers<string>();
  const timer = setTimeout(() => late.resolve(`not stopped within ${withinMs} ms`), withinMs);
  // A function that throws before its first await rejects here like any other.
  const ending = (async () => void (await end()))().then(() => undefined, describeError);
  const because = await Promise.race([ending, late.promise]);
  clearTimeout(timer);
  return because;
}
