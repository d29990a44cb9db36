/** What is wrong: rules, the loop that judges them, and alerts that answer why, since when, compared with what, and what next. */
import { hostname } from "node:os";
import { defaultScope, newId, type Scope, seconds } from "@tenfold/base";
import type { Audit } from "../access/index.ts";
import { type Bus, type Clock, type Database, type Log, type Loop, startLoop } from "../kernel/index.ts";
import type { Registry, TimelineSource } from "../registry/index.ts";
import { createPulse, readDeafness } from "./alive.shell.ts";
import { judgeFleet } from "./reconcile.ts";
import { defaultRules } from "./rule.ts";
import { insertRules, readAlertsOf } from "./store.ts";
import { timelineOf } from "./timeline.ts";

export { monitoringProblems } from "./errors.ts";
export { monitoringRoutes } from "./routes.ts";

/** A rollout that its own gates halted; `since` in ms, `because` a sentence. As `rollouts.conditions` tells it. */
export type RolloutCondition = {
  rollout: string;
  release: { name: string; version: string };
  phase: string;
  since: number;
  because: string;
  harmedDevices: readonly string[];
};

/** An artifact whose stored bytes are not its own; `since` in ms, `damage` says what was found, `releases` what stands on it. */
export type ArtifactCondition = { sha256: string; since: number; damage: string; releases: readonly string[] };

/** What other modules find wrong. A condition that is no longer told is over. */
export type Sources = {
  rollouts: (scope: Scope) => Promise<readonly RolloutCondition[]>;
  artifacts: (scope: Scope) => Promise<readonly ArtifactCondition[]>;
};

export type MonitoringDeps = {
  db: Database;
  registry: Pick<Registry, "silence" | "silentTraits" | "resolveFilter">;
  sources: Sources;
  bus: Bus;
  clock: Clock;
  log: Log;
  audit: Audit;
  /** Whether devices come to this process: only then does its being at work mean that they can be heard. `here` unless told otherwise. */
  hears?: "here" | "elsewhere";
  /** How often the rules are judged, ms. */
  everyMs?: number;
};

export type Monitoring = {
  /** Makes the default rules where they are missing and begins to judge. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Writes down every few seconds that this process hears devices, until the function that it returns is called. */
  listen(): () => Promise<void>;
  /** One pass over every fleet, for a caller that will not wait. Needs the default rules (`start`, or `prepare`). */
  judgeNow(): Promise<void>;
  prepare(): Promise<void>;
  /** Alerts in a device's timeline. */
  timeline: TimelineSource;
  /** What the routes need. */
  deps: MonitoringDeps;
};

const beatMs = seconds(3);

export function createMonitoring(deps: MonitoringDeps): Monitoring {
  const { db, clock, log, everyMs = seconds(2), hears = "here" } = deps;
  const pulse = createPulse(db, `${hostname()} ${newId("srv")}`);
  let loop: Loop | undefined;
  const judgeNow = async () => {
    const now = clock.now();
    if (hears === "here") await pulse.beat(now);
    const deaf = await readDeafness(db, now);
    await judgeFleet(deps, defaultScope, { now, ...(deaf && { deaf }) });
  };
  const prepare = () => insertRules(db, defaultScope, defaultRules);
  return {
    deps,
    judgeNow,
    prepare,
    async start() {
      await prepare();
      loop ??= startLoop({ name: "monitoring", everyMs, run: judgeNow, log });
    },
    async stop() {
      await loop?.stop();
      loop = undefined;
    },
    listen() {
      const hearing = startLoop({ name: "pulse", everyMs: beatMs, run: () => pulse.beat(clock.now()), log });
      return () => hearing.stop();
    },
    timeline: async (scope, device, limit) => timelineOf(await readAlertsOf(db, scope, { device, limit })),
  };
}
