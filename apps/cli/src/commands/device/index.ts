import type { Command } from "commander";
import { deviceRun } from "../command/run.ts";
import { addWhy } from "../rollout/govern.ts";
import { deviceCrashes } from "./crashes.ts";
import { deviceLifecycle } from "./lifecycle.ts";
import { deviceList } from "./list.ts";
import { deviceLogs } from "./logs.ts";
import { deviceShow } from "./show.ts";
import { deviceTag } from "./tag.ts";
import { deviceTransfer } from "./transfer.ts";
import { deviceWatch } from "./watch.ts";

export function deviceCommands(program: Command): void {
  const device = program.command("device").description("The devices of the fleet");
  for (const add of [
    deviceList,
    deviceShow,
    deviceTag,
    deviceRun,
    deviceLogs,
    deviceCrashes,
    deviceWatch,
    addWhy,
    deviceLifecycle,
    deviceTransfer,
  ])
    add(device);
}
