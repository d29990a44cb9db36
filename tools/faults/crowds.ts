import { fork } from "node:child_process";
import { once } from "node:events";
import { setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import type { CrowdOrders, CrowdReport, CrowdSays } from "./crowd.ts";

/** Has a crowd come, in a process of its own, and resolves when it is gone; `standing` is called with how many are connected once all have come. */
export async function gather(orders: CrowdOrders, standing?: (many: number) => Promise<void>): Promise<CrowdReport> {
  const child = fork(fileURLToPath(new URL("crowd.ts", import.meta.url)), [JSON.stringify(orders)]);
  // Real strangers bring their own processors: here they must not take them from the platform and from those whom it serves.
  if (child.pid !== undefined) setPriority(child.pid, 10);
  let report: CrowdReport | undefined;
  let looked: Promise<void> | undefined;
  child.on("message", (said: CrowdSays) => {
    if ("ended" in said) report = said.ended;
    else looked = standing?.(said.standing);
  });
  await once(child, "exit", { signal: AbortSignal.timeout(90_000) });
  await looked;
  if (report === undefined) throw new Error("The crowd ended without its report.");
  return report;
}
