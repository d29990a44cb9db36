import { createHash } from "node:crypto";
import type { Flags } from "../../verb.ts";

export const onceFlag: [string, string] = [
  "--once <key>",
  "starts one rollout for this key, however often it is asked; a pipeline that runs again finds the first",
];

/** The key that makes a start one and the same: of the pipeline's own words where it gives some, else a new one each time. */
export const startKey = ({ once }: Flags): string =>
  typeof once === "string" ? `once-${createHash("sha256").update(once).digest("hex")}` : crypto.randomUUID();
