/** Crash evidence: what devices leave behind when they crash, kept beside the update that they were exposed to. */
import { minutes, type Scope } from "@tenfold/base";
import type { CrashSignature } from "@tenfold/contracts";
import { type DeviceHttp, type Http, type Loop, startLoop } from "../kernel/index.ts";
import type { CrashesDeps } from "./deps.ts";
import { deviceRoutes } from "./device-routes.ts";
import { removeOld } from "./reconcile.ts";
import { routes } from "./routes.ts";
import { type CrashFilter, signaturesOf } from "./store.ts";

export type { CrashesDeps, Exposure } from "./deps.ts";

export type Crashes = {
  start(): void;
  stop(): Promise<void>;
  /** Removes what is older than it is kept, now. The loop does the same on its own. */
  removeOld(): Promise<void>;
  /** Crashes that are alike, those on the most devices first. */
  signatures(scope: Scope, filter: CrashFilter & { limit: number }): Promise<CrashSignature[]>;
  routes(app: Http): void;
  deviceRoutes(app: DeviceHttp): void;
};

export function createCrashes(deps: CrashesDeps): Crashes {
  let loop: Loop | undefined;
  return {
    start() {
      loop ??= startLoop({ name: "crashes", everyMs: minutes(10), run: (signal) => removeOld(deps, signal), log: deps.log });
    },
    async stop() {
      await loop?.stop();
      loop = undefined;
    },
    removeOld: () => removeOld(deps),
    signatures: (scope, filter) => signaturesOf(deps.db, scope, filter),
    routes: (app) => routes(app, deps),
    deviceRoutes: (app) => deviceRoutes(app, deps),
  };
}
