import { minutes } from "@tenfold/base";
import { type Log, type Loop, startLoop } from "../../kernel/index.ts";
import type { Integrity } from "./integrity.shell.ts";

const everyMs = minutes(1);

/** Reads every artifact again and again, one at a time. A run that dies begins with the one that it was at. */
export const startChecks = (integrity: Integrity, log: Log): Loop =>
  startLoop({
    name: "artifacts",
    everyMs,
    run: async (signal) => {
      while (!signal.aborted && (await integrity.checkNext(signal)));
    },
    log,
  });
