import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Platform } from "./platform.ts";

/** Flags of a platform's process that collects its garbage when it is asked to. */
export const collectable: string[] = ["--expose-gc", "--import", fileURLToPath(new URL("memory-probe.mjs", import.meta.url))];

/** Resolves when a platform that was started with these flags has collected, or after ten seconds. */
export async function collectGarbage(platform: Platform): Promise<void> {
  const collected = async () => (await platform.log()).split("probe.collected").length;
  const before = await collected();
  process.kill(platform.pid, "SIGUSR2");
  for (const deadline = Date.now() + 10_000; (await collected()) === before && Date.now() < deadline; ) await wait(20);
}
