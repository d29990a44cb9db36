import type { Command } from "commander";
import { rolloutControl } from "./control.ts";
import { rolloutCrashes } from "./crashes.ts";
import { addWhy, rolloutGovern } from "./govern.ts";
import { rolloutReplay } from "./replay.ts";
import { rolloutReport } from "./report.ts";
import { rolloutStart } from "./start.ts";
import { rolloutWatch } from "./watch.ts";

export function rolloutCommands(program: Command): void {
  const rollout = program.command("rollout").description("Bring a release to the fleet in stages, and stop in time");
  const verbs = [rolloutStart, rolloutWatch, rolloutControl, rolloutReport, rolloutReplay, rolloutCrashes, rolloutGovern, addWhy];
  for (const add of verbs) add(rollout);
}
