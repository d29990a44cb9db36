/** Releases: artifacts by content, signing keys (public halves), signed releases, and their bytes for devices. */
import type { Scope } from "@tenfold/base";
import type { FastifyReply } from "fastify";
import type { DeviceHttp, Http, Loop, Queryable, Transaction } from "../kernel/index.ts";
import { type Exchange, sendArtifact } from "./artifacts.shell.ts";
import type { ReleasesDeps } from "./deps.ts";
import { deviceRoutes } from "./device-routes.ts";
import { createIntegrity } from "./integrity/integrity.shell.ts";
import { startChecks } from "./integrity/reconcile.ts";
import { type DamagedArtifact, damagedArtifacts } from "./integrity/store.ts";
import { type RunningFirmware, releaseRunning, type StoredRelease, type Usability, usabilityOf } from "./release.ts";
import { routes } from "./routes.ts";
import { listKeys, markUsed, releasesLike } from "./store.ts";
import { startExpiry } from "./uploads/reconcile.ts";
import { findRelease } from "./writes.shell.ts";

export type { ReleasesDeps } from "./deps.ts";
export type { StoredRelease } from "./release.ts";

export type Releases = {
  /** Starts what removes half uploads that nobody goes on with, and what reads artifacts again. */
  start(): void;
  stop(): Promise<void>;
  /** By id, version or `name@version`. Throws `release_ambiguous` when a version alone means several. */
  get(on: Queryable, scope: Scope, named: string): Promise<StoredRelease | undefined>;
  /** Whether a rollout may hand it out now: not retired, and still signed by a key that counts. */
  usability(on: Queryable, scope: Scope, release: StoredRelease): Promise<Usability>;
  /** A rollout takes it: from now on what was said about it stands. */
  markUsed(tx: Transaction, scope: Scope, used: { id: string; at: number }): Promise<void>;
  /** Which release each of these firmwares is, in the same order. */
  running(on: Queryable, scope: Scope, firmware: readonly RunningFirmware[]): Promise<(StoredRelease | undefined)[]>;
  /** Artifacts whose stored bytes are not their own. */
  damaged(on: Queryable, scope: Scope): Promise<DamagedArtifact[]>;
  /** Answers a request for an artifact's bytes, in parts if asked; for those who have a path of their own for them. */
  sendArtifact(scope: Scope, sha256: string, exchange: Exchange): Promise<FastifyReply>;
  routes(app: Http): void;
  deviceRoutes(app: DeviceHttp): void;
};

export function createReleases(given: ReleasesDeps): Releases {
  const integrity = createIntegrity(given, given.checks);
  const deps = { ...given, integrity };
  let loops: Loop[] = [];
  return {
    start() {
      if (loops.length === 0) loops = [startExpiry(deps, deps.log), startChecks(integrity, deps.log)];
    },
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
      loops = [];
    },
    damaged: damagedArtifacts,
    get: findRelease,
    async usability(on, scope, release) {
      return usabilityOf(release, await listKeys(on, scope), await deps.standing(on, scope, release.envelope.signed));
    },
    markUsed,
    async running(on, scope, firmware) {
      const candidates = await releasesLike(on, scope, firmware);
      return firmware.map((one) => releaseRunning(one, candidates));
    },
    sendArtifact: (scope, sha256, exchange) => sendArtifact(deps, scope, { ...exchange, sha256 }),
    routes: (app) => routes(app, deps),
    deviceRoutes: (app) => deviceRoutes(app, deps),
  };
}
