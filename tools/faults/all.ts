import type { Fault } from "./fault.ts";
import { fault as hostile } from "./h01-hostile.ts";
import { fault as killPlatform } from "./r01-kill-platform.ts";
import { fault as killsInRollouts } from "./r02-kills-in-rollouts.ts";
import { fault as powerCut } from "./r03-power-cut.ts";
import { fault as diskFull } from "./r06-disk-full.ts";
import { fault as failedFsync } from "./r07-failed-fsync.ts";
import { fault as clock } from "./r08-clock.ts";
import { fault as partition } from "./r09-partition.ts";
import { fault as blackHole } from "./r10-black-hole.ts";
import { fault as network } from "./r11-network.ts";
import { fault as restartInRollout } from "./r12-restart-in-rollout.ts";
import { fault as postgres } from "./r13-postgres.ts";
import { fault as killStore } from "./r14-kill-store.ts";
import { fault as herd } from "./r16-herd.ts";
import { fault as stalledReader } from "./r17-stalled-reader.ts";
import { fault as pause } from "./r18-pause.ts";
import { fault as memory } from "./r19-memory.ts";
import { fault as fileHandles } from "./r20-file-handles.ts";
import { fault as poison } from "./r26-poison.ts";

/** Every fault, in the order in which they are played. */
export const faults: Fault[] = [
  killPlatform,
  killsInRollouts,
  powerCut,
  diskFull,
  failedFsync,
  clock,
  partition,
  blackHole,
  network,
  restartInRollout,
  postgres,
  killStore,
  herd,
  stalledReader,
  pause,
  memory,
  fileHandles,
  poison,
  hostile,
];
