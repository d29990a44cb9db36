/** Rollouts: a release reaches a fleet in stages, is judged by verified boots, halts by itself, and brings back who took it. */
import { days, type Scope } from "@tenfold/base";
import type { NextDeployment, TimelineEntry, UpdateStatus } from "@tenfold/contracts";
import { type Http, type Loop, startLoop } from "../kernel/index.ts";
import { type Book, postgresBook } from "./book.shell.ts";
import type { RolloutsDeps } from "./deps.ts";
import { explainDevice } from "./explain.shell.ts";
import { harmedDevices, type PatchFact, patchFacts, timelineOf } from "./facts.shell.ts";
import { emptyGuardBook, postgresGuardBook } from "./guards/book.shell.ts";
import { type WatchedEvent, watchEvents, watchHeartbeats } from "./guards/watch.shell.ts";
import { exposureOf } from "./halt-report.shell.ts";
import { type ObservedHeartbeat, type ObservedReport, observeHeartbeats, observeReports } from "./observe.shell.ts";
import { reconcileDue } from "./reconcile.ts";
import { routes } from "./routes.ts";
import { haltedSince } from "./store.ts";
import { documentsFor } from "./tell.shell.ts";

export { createDdi } from "./ddi/index.ts";
export type { RolloutsDeps } from "./deps.ts";

/** A rollout that did not go through. */
type RolloutCondition = {
  rollout: string;
  release: { name: string; version: string };
  phase: string;
  since: number;
  because: string;
  harmedDevices: string[];
};

export type Rollouts = {
  /** Starts the loop. Without it nothing moves by itself. */
  start(): void;
  stop(): Promise<void>;
  /** Looks at what is due, now. The loop does the same on its own. */
  reconcile(): Promise<void>;
  /** Takes in progress that devices told. Idempotent, in any order; a report for a deployment of another device changes nothing. */
  observeReports(batch: readonly ObservedReport[]): Promise<void>;
  /** Takes in heartbeats: the only way to success. `at` is when the platform received it. Idempotent. */
  observeHeartbeats(batch: readonly ObservedHeartbeat[]): Promise<void>;
  /** Takes in what happened on devices: the guards count crashes. Idempotent. */
  observeEvents(batch: readonly WatchedEvent[]): Promise<void>;
  /** What a device finds at `deployments/next` now. */
  next(device: string, scope: Scope): Promise<NextDeployment>;
  /** The same for many: each of them is in the answer. */
  nextOf(devices: readonly string[], scope: Scope): Promise<Map<string, NextDeployment>>;
  /** Rollouts that halted: as long as devices are being brought back, and for a day after they were halted. */
  conditions(scope: Scope): Promise<RolloutCondition[]>;
  /** What rollouts did for the time to patch; times in ms. */
  patchFacts(scope: Scope, period: { from: number; to: number }): Promise<PatchFact[]>;
  /** The updates of a device for its timeline, newest first. */
  deviceUpdates(scope: Scope, device: string, limit: number): Promise<TimelineEntry[]>;
  /** The update that a device was exposed to at a moment, if any. */
  exposureOf(scope: Scope, device: string, at: number): ReturnType<typeof exposureOf>;
  /** Why a device is not updated: how the engine sees it now. */
  explain(scope: Scope, question: { device: string; rollout?: string }): Promise<UpdateStatus>;
  routes(app: Http): void;
};

/** How long a halt stays a condition after everything has come to rest. */
const conditionLasts = days(1);

export function createRollouts({
  book = postgresBook,
  ...rest
}: Omit<RolloutsDeps, "book" | "guardBook"> & { book?: Book }): Rollouts {
  // What is compared lies in PostgreSQL only; a simulated book goes without.
  const deps: RolloutsDeps = { book, guardBook: book === postgresBook ? postgresGuardBook : emptyGuardBook, ...rest };
  const { db, clock, log, tickMs } = deps;
  let loop: Loop | undefined;
  const wake = () => loop?.wake();
  const observed = (changes: number) => {
    if (changes > 0) wake();
  };
  return {
    start() {
      loop ??= startLoop({ name: "rollouts", everyMs: tickMs, run: (signal) => reconcileDue(deps, signal), log });
    },
    async stop() {
      await loop?.stop();
      loop = undefined;
    },
    reconcile: () => reconcileDue(deps),
    observeReports: async (batch) => observed(await observeReports(deps, batch)),
    async observeHeartbeats(batch) {
      observed(await observeHeartbeats(deps, batch));
      await watchHeartbeats(db, batch);
    },
    observeEvents: (batch) => watchEvents(db, batch),
    async next(device, scope) {
      return (await documentsFor(deps, scope, [device])).get(device) ?? { is: "none" };
    },
    nextOf: (devices, scope) => documentsFor(deps, scope, devices),
    async conditions(scope) {
      const halted = await haltedSince(db, scope, clock.now() - conditionLasts);
      return Promise.all(
        halted.map(async ({ id, release, phase, haltedAt, since, because, haltedBecause }) => ({
          rollout: id,
          release: { name: release.name, version: release.version },
          phase,
          since: haltedAt ?? since,
          because: haltedBecause ?? because,
          harmedDevices: (await harmedDevices(db, scope, id)).map(({ device }) => device),
        })),
      );
    },
    patchFacts: (scope, period) => patchFacts(db, scope, period),
    deviceUpdates: (scope, device, limit) => timelineOf(db, scope, { device, limit }),
    exposureOf: (scope, device, at) => exposureOf(db, scope, { device, at }),
    explain: (scope, question) => explainDevice(deps, scope, question),
    routes: (app) => routes(app, { ...deps, wake }),
  };
}
