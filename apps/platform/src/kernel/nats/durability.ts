import { describeError } from "@tenfold/base";
import { z } from "zod";
import type { Log } from "../log.ts";
import { natsProblems } from "./problems.ts";

/** `verified`: each server is asked and must sync before it acknowledges. `trusted`: the operator says so; it is said at every start. */
export type SyncDemand = "verified" | "trusted";

const servedConfig = z.object({ config: z.object({ sync_always: z.boolean().optional() }).optional() });
const askMs = 5_000;
const fix =
  "Set `jetstream { sync_interval: always }` on every server (NATS 2.10 or newer). TENFOLD_NATS_SYNC=trusted starts without the proof.";

/**
 * NATS by default acknowledges a message up to two minutes before its disk has it. Asks the monitoring endpoint of every server
 * (`/jsz?config=1`, field `config.sync_always`), because the protocol itself does not tell. Throws `nats_not_durable` where one says no, and
 * `nats_durability_unknown` where none is named or one cannot be asked.
 */
export async function demandDurable({
  sync,
  monitors,
  log,
}: {
  sync: SyncDemand;
  monitors: readonly string[];
  log: Log;
}): Promise<void> {
  if (sync === "trusted") {
    log.warn("nats.durability_trusted", {
      meaning: "without sync_interval: always, a power cut loses messages that devices were told are safe",
    });
    return;
  }
  if (monitors.length === 0)
    throw natsProblems.nats_durability_unknown(
      "Nothing says whether NATS syncs its disk before it acknowledges: by default it does so only every two minutes.",
      {
        field: "nats.monitor.url",
        fix: `Name the monitoring address of each server in TENFOLD_NATS_MONITOR_URL (http://HOST:8222). ${fix}`,
      },
    );
  for (const monitor of monitors) {
    if (!(await syncsAlways(monitor)))
      throw natsProblems.nats_not_durable(`NATS at ${monitor} acknowledges messages before its disk has them.`, { fix });
  }
}

async function syncsAlways(monitor: string): Promise<boolean> {
  const url = new URL("jsz?config=1", monitor.endsWith("/") ? monitor : `${monitor}/`);
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(askMs) });
    const served = servedConfig.parse(await response.json());
    return served.config?.sync_always === true;
  } catch (cause) {
    throw natsProblems.nats_durability_unknown(`The monitoring endpoint ${monitor} does not tell: ${describeError(cause)}`, {
      cause,
      field: "nats.monitor.url",
      fix: `Open it with \`http: 8222\` in the server's configuration. ${fix}`,
    });
  }
}
