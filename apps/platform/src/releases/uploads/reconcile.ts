import { minutes } from "@tenfold/base";
import { type Log, type Loop, startLoop } from "../../kernel/index.ts";
import { removeExpired, type UploadDeps } from "./uploads.shell.ts";

const everyMs = minutes(10);

/** Removes half uploads that nobody went on with. */
export const startExpiry = (deps: UploadDeps, log: Log): Loop =>
  startLoop({
    name: "uploads",
    everyMs,
    run: async (signal) => {
      const removed = await removeExpired(deps, signal);
      if (removed > 0) log.info("upload.expired", { removed });
    },
    log,
  });
