/** Commands and desired states: what devices are told to do and to be, and whether they did and are (docs/protocol/commands.md). */
import { type Json, type Scope, seconds } from "@tenfold/base";
import type { TimelineEntry } from "@tenfold/contracts";
import { type Http, type Loop, startLoop } from "../kernel/index.ts";
import { documentOf, timelineEntry } from "./command.ts";
import type { CommandsDeps } from "./deps.ts";
import { listDesired, recordApplied } from "./desired.shell.ts";
import { desiredDocumentOf, readApplied } from "./desired.ts";
import { announce, announceState, reconcileDue } from "./reconcile.ts";
import { routes } from "./routes.ts";
import { type Delivery, listCommands, markDelivered, markSent, type ObservedResult, pendingOf, recordResults } from "./store.ts";

export { readCommandResult } from "./command.ts";
export type { CommandsDeps } from "./deps.ts";
export type { Delivery, ObservedResult } from "./store.ts";

type ObservedPatch = { scope: Scope; device: string; at: number; patch: Json };

export type Commands = {
  /** Starts the loop. Without it nothing is sent to a device that is connected already, and no deadline ends anything. */
  start(): void;
  stop(): Promise<void>;
  /** Looks at what is due, now. The loop does the same on its own. */
  reconcile(): Promise<void>;
  /** What waits for a device, oldest first: for when it begins to listen, and for when it asks. Counts as sent. */
  pending(device: string, scope: Scope): Promise<{ topic: `commands/${string}`; payload: string }[]>;
  /** What these devices find at `state/desired` now; those of which nothing is desired are left out. */
  desired(devices: readonly string[], scope: Scope): Promise<Map<string, string>>;
  /** The devices acknowledged these commands. Idempotent. */
  observeDeliveries(deliveries: readonly Delivery[]): Promise<void>;
  /** Takes in results; `at` is when the platform received them. Idempotent, in any order; another device's command changes nothing. */
  observeResults(results: readonly ObservedResult[]): Promise<void>;
  /** Takes in patches of the reported state for what they say about following the desired one. */
  observeReported(patches: readonly ObservedPatch[]): Promise<void>;
  /** The commands of a device for its timeline, newest first. */
  timeline(scope: Scope, device: string, limit: number): Promise<TimelineEntry[]>;
  routes(app: Http): void;
};

export function createCommands(deps: CommandsDeps): Commands {
  const { db, clock, log, tickMs = seconds(1) } = deps;
  let loop: Loop | undefined;
  const wake = () => loop?.wake();
  return {
    start() {
      loop ??= startLoop({ name: "commands", everyMs: tickMs, run: (signal) => reconcileDue(deps, signal), log });
    },
    async stop() {
      await loop?.stop();
      loop = undefined;
    },
    reconcile: () => reconcileDue(deps),
    async pending(device, scope) {
      const now = clock.now();
      const waiting = await pendingOf(db, scope, { device, at: now });
      announce(deps, await markSent(db, { sent: waiting.map(({ id }) => ({ fleet: scope.fleet, id })), at: now }));
      return waiting.map((command) => ({
        topic: `commands/${command.id}` as const,
        payload: JSON.stringify(documentOf(command, now)),
      }));
    },
    async desired(devices, scope) {
      const documents = (await listDesired(db, scope, devices)).map((one) => [one.device, desiredDocumentOf(one)] as const);
      return new Map(documents.flatMap(([device, document]) => (document ? [[device, JSON.stringify(document)]] : [])));
    },
    async observeDeliveries(deliveries) {
      announce(deps, await markDelivered(db, deliveries));
    },
    async observeResults(results) {
      announce(deps, await recordResults(db, firstOfEach(results)));
    },
    async observeReported(patches) {
      const observed = patches.flatMap(({ patch, ...rest }) => {
        const applied = readApplied(patch);
        return applied === undefined ? [] : [{ ...rest, applied }];
      });
      const moved = await recordApplied(db, observed);
      for (const { fleet, device, generation } of moved) announceState(deps, { fleet }, device, generation);
      if (moved.length > 0) wake();
    },
    async timeline(scope, device, limit) {
      return (await listCommands(db, scope, { device, limit })).map(timelineEntry);
    },
    routes: (app) => routes(app, { ...deps, wake }),
  };
}

/** One statement changes a row once: of two results for a command in one batch, the first counts. */
function firstOfEach(results: readonly ObservedResult[]): ObservedResult[] {
  const byKey = new Map(results.toReversed().map((one) => [`${one.scope.fleet}/${one.device}/${one.command}`, one] as const));
  return [...byKey.values()].toReversed();
}
