/** A fleet that runs on nothing but a clock: real registry, releases, audit trail and PostgreSQL, pretended devices. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { defaultScope, hash32, seededRandom } from "@tenfold/base";
import {
  type DeploymentReport,
  type Heartbeat,
  type NextDeployment,
  nextDeployment,
  type ReleaseStatement,
  type Role,
  rolloutPlan,
} from "@tenfold/contracts";
import { generateSigningKey, readPrivateKey, signRelease } from "@tenfold/ota";
import { sql } from "kysely";
import type { z } from "zod";
import { createAccess, systemActor } from "../access/index.ts";
import { createBus, createHttp, type Database, openBlobs, silentLog } from "../kernel/index.ts";
import { testDatabase } from "../kernel/testing.ts";
import { createRegistry } from "../registry/index.ts";
import { createReleases } from "../releases/index.ts";
import { insertArtifact } from "../releases/store.ts";
import { createRelease, createSigningKey } from "../releases/writes.shell.ts";
import { postgresBook } from "./book.shell.ts";
import type { RolloutsDeps } from "./deps.ts";
import { postgresGuardBook } from "./guards/book.shell.ts";
import { createRollouts } from "./index.ts";
import { startRollout } from "./writes.shell.ts";

export const scope = defaultScope;
export const who = { scope, actor: systemActor };
export const epoch = Date.UTC(2026, 5, 1);

/** What a version does to a device: boots well, never comes back, falls back to the old slot, cannot be downloaded, is never done with its installation, or is taken by nobody. */
export type Effect = "good" | "bricks" | "falls_back" | "no_download" | "hangs" | "ignored";

export type PretendDevice = {
  id: string;
  boot: number;
  bootedAt: number;
  firmware: { version: string; hash: string };
  alive: boolean;
  reachable: boolean;
  /** The deployment it works on and how far it is. */
  work?: { offer: Extract<NextDeployment, { is: "offer" }>; step: number; mayInstallUntil: number };
  done: Set<string>;
};

export const hashOf = (version: string): string => createHash("sha256").update(`firmware ${version}`).digest("hex");

export type FleetOptions = {
  devices: number;
  effects?: (version: string, device: string) => Effect;
  seed?: string /** Share of messages that get lost, doubled or late. */;
  weather?: number;
  /** What a version does to memory: how much is used, in bytes, so long after the boot (hours). */
  memory?: (version: string, device: string, hours: number) => number;
  /** Which site a device stands on. */
  site?: (device: string) => string;
  /** Whether a site has no network now. */
  dark?: (site: string, now: number) => boolean;
};
export type Fleet = Awaited<ReturnType<typeof pretendFleet>>;

/** Devices `d0`… that run version 1.0.0 and speak every 10 s of virtual time. */
export async function pretendFleet({
  devices: count,
  effects = () => "good",
  seed = "fleet",
  weather = 0,
  memory,
  site,
  dark,
}: FleetOptions) {
  const database = await testDatabase();
  const folder = await mkdtemp(join(tmpdir(), "tenfold-rollouts-"));
  const { db } = database;
  const clock = { time: epoch, now: () => clock.time };
  const bus = createBus(clock);
  const { audit } = createAccess({ db, clock, log: silentLog });
  const registry = createRegistry({ db, bus, clock, log: silentLog, audit });
  const blobs = await openBlobs(folder);
  const releases = createReleases({
    db,
    blobs,
    audit,
    clock,
    parts: blobs,
    log: silentLog,
    maxArtifactBytes: 1_000,
    uploadQuotaBytes: 10_000,
    uploadLifetimeMs: 60_000,
    standing: async () => ({ is: "no_repository" }),
    admitRequest: () => Promise.reject(new Error("no device HTTP here")),
    firmwareInUse: async () => [],
  });
  const random = seededRandom(seed);
  const devices = new Map<string, PretendDevice>();
  const link: { refresh: RolloutsDeps["refresh"] } = {
    refresh: async (device) => hear(device, await rollouts.next(device, scope)),
  };
  const deps: RolloutsDeps = {
    db,
    book: postgresBook,
    guardBook: postgresGuardBook,
    registry,
    releases,
    audit,
    bus,
    clock,
    log: silentLog,
    tickMs: 1_000,
    refresh: (device, topic) => link.refresh(device, topic),
  };
  const rollouts = createRollouts(deps);
  const signer = generateSigningKey();
  const changing = { db, audit, clock };

  await createSigningKey(changing, who, { name: "test", publicKeyPem: signer.publicKeyPem });
  /** Registers devices that run version 1.0.0. */
  async function add(ids: readonly string[], tags: Record<string, string> = {}): Promise<void> {
    await db.transaction().execute(async (tx) => {
      for (const id of ids) {
        const placed = site ? { site: site(id), ...tags } : tags;
        await registry.register(tx, scope, { id, lifecycle: "active", model: "pump", trustLevel: 1, tags: placed });
      }
    });
    for (const id of ids)
      devices.set(id, {
        ...{ id, boot: 1, bootedAt: epoch - 86_400_000, firmware: { version: "1.0.0", hash: hashOf("1.0.0") } },
        ...{ alive: true, reachable: true, done: new Set<string>() },
      });
  }
  await add(Array.from({ length: count }, (_, i) => `d${i}`));

  const inReach = ({ id, reachable }: PretendDevice) => reachable && !(dark?.(site?.(id) ?? "", clock.time) ?? false);

  function hear(id: string, next: NextDeployment): boolean {
    const device = devices.get(id);
    if (device === undefined || !device.alive || !inReach(device) || random() < weather) return false;
    take(device, nextDeployment.parse(JSON.parse(JSON.stringify(next))));
    return true;
  }

  function take(device: PretendDevice, next: NextDeployment): void {
    if (next.is === "cancel" && device.work && device.work.step < 4) device.work.step = 100;
    if (next.is === "none" && device.work && device.work.step < 4) delete device.work;
    if (next.is !== "offer" || device.done.has(next.deployment)) return;
    const mayInstallUntil = windowOf(next, clock.time);
    if (device.work?.offer.deployment === next.deployment) device.work.mayInstallUntil = mayInstallUntil;
    else if (effects(next.release.signed.version, device.id) !== "ignored") device.work = { offer: next, step: 0, mayInstallUntil };
  }

  /** One step of a device's update; what it tells about it. */
  function work(device: PretendDevice): DeploymentReport | undefined {
    const { work: at } = device;
    if (at === undefined) return undefined;
    const { version, artifact } = at.offer.release.signed;
    const effect = effects(version, device.id);
    const end = (report?: DeploymentReport) => {
      device.done.add(at.offer.deployment);
      delete device.work;
      return report;
    };
    if (at.step >= 100) return end({ state: "cancelled", reason: "rollout_halted" });
    const report = ([{ state: "downloading" }, { state: "verified" }, { state: "installing" }, { state: "rebooting" }] as const)[
      at.step
    ];
    if (waits(effect, at, clock.time)) return undefined;
    if (at.step === 1 && effect === "no_download") return end({ state: "failed", reason: "download_network", log: ["timed out"] });
    at.step += 1;
    if (report) return report;
    device.boot += 1;
    device.bootedAt = clock.time;
    if (effect === "bricks") device.alive = false;
    else if (effect !== "falls_back") device.firmware = { version, hash: artifact.sha256 };
    return end();
  }

  const heartbeatOf = (device: PretendDevice): Heartbeat => ({
    seq: 1,
    bootId: `${device.id}-${device.boot}`,
    uptimeS: (clock.time - device.bootedAt) / 1_000,
    leaseS: 60,
    monoS: 5,
    clock: "synced",
    model: "pump",
    firmware: { ...device.firmware, state: "confirmed" },
    ...(memory
      ? { memory: { usedBytes: memory(device.firmware.version, device.id, (clock.time - device.bootedAt) / 3_600_000) } }
      : {}),
  });

  /** Bad weather loses heartbeats, doubles and mixes reports. */
  const blown = <T>(messages: T[]): T[] =>
    messages
      .flatMap((message) => (random() < weather ? [message, message] : [message]))
      .toSorted(() => (random() < weather ? 1 : -1));

  let started = 0;
  const late: Parameters<typeof rollouts.observeReports>[0][number][] = [];

  /** Ten seconds of everybody's life. */
  async function tick(): Promise<void> {
    clock.time += 10_000;
    const at = clock.time;
    const speaking = [...devices.values()].filter((device) => device.alive && inReach(device));
    const reports = speaking.flatMap((device) => {
      const deployment = device.work?.offer.deployment;
      const report = work(device);
      return report && deployment ? [{ device: device.id, scope, deployment, report, at }] : [];
    });
    const [now, later] = [reports.filter(() => random() >= weather), reports.filter(() => random() < weather)];
    await rollouts.observeReports(blown([...now, ...late.splice(0)]));
    late.push(...later);
    const beats = blown(
      speaking
        .filter((device) => device.alive && random() >= weather)
        .map((device) => ({ device: device.id, at, heartbeat: heartbeatOf(device) })),
    );
    await registry.recordContacts(beats);
    await rollouts.observeHeartbeats(beats.map((beat) => ({ ...beat, scope })));
    for (const device of speaking)
      if ((device.work === undefined || device.work.step === 2) && random() < 0.1)
        take(device, await rollouts.next(device.id, scope));
  }

  return {
    db,
    clock,
    devices,
    deps,
    rollouts,
    registry,
    link,
    tick,
    hear,
    add,
    async release(version: string, fits: Pick<ReleaseStatement, "minimumVersion" | "mustPassThrough"> = {}) {
      const bytes = Buffer.from(`firmware ${version}`);
      const { sha256, size } = await blobs.put(Readable.from([bytes]), { maxBytes: 1_000 });
      await db.transaction().execute((tx) => insertArtifact(tx, scope, { sha256, size, createdAt: clock.time }));
      const statement = {
        type: "tenfold.release.v1" as const,
        name: "pump",
        version,
        models: ["pump"],
        ...fits,
        artifact: { sha256, size },
        signedAt: new Date(clock.time).toISOString(),
      };
      return createRelease({ ...changing, standing: async () => ({ is: "no_repository" }) }, who, {
        envelope: signRelease(statement, readPrivateKey(signer.privateKeyPem)),
        notes: "",
      });
    },
    /** The id is the seed's, so that the same devices are the canary in every run. */
    start: (plan: z.input<typeof rolloutPlan>, idempotencyKey?: string) => {
      started += 1;
      const id = `rol_${seed}_${started}`;
      return startRollout(deps, who, { plan: rolloutPlan.parse(plan), id, ...(idempotencyKey ? { idempotencyKey } : {}) });
    },
    /** Lives on until the rollout has ended; fails after `most` ticks. */
    async untilEnded(
      id: string,
      { most = 400, reconcile = () => rollouts.reconcile() }: { most?: number; reconcile?: () => Promise<void> } = {},
    ) {
      for (let i = 0; i < most; i++) {
        await reconcile();
        const ended = await phaseOf(db, id);
        if (ended.ended) return ended.phase;
        await tick();
      }
      throw new Error(`${id} has not ended: ${JSON.stringify(await phaseOf(db, id))}`);
    },
    rowsOf: (id: string) => rowsOf(db, id),
    async [Symbol.asyncDispose]() {
      await rollouts.stop();
      await database[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Until when a device may begin to install, by what it was told of its window. */
function windowOf({ maintenanceWindow, windowClosesInS }: Extract<NextDeployment, { is: "offer" }>, now: number): number {
  if (maintenanceWindow === "unavailable") return Number.NEGATIVE_INFINITY;
  return windowClosesInS === undefined ? Number.POSITIVE_INFINITY : now + windowClosesInS * 1_000;
}

/** For ever, or for its window. */
const waits = (effect: Effect, { step, mayInstallUntil }: NonNullable<PretendDevice["work"]>, now: number): boolean =>
  (effect === "hangs" && step === 3) || (step === 2 && now >= mayInstallUntil);

/** The routes of a fleet. Who asks is who the `authorization` header names: `viewer`, `operator`, or `name:role`. */
export async function servedFleet(options: FleetOptions) {
  const fleet = await pretendFleet(options);
  const app = await createHttp({
    log: silentLog,
    version: "test",
    answers: "validate",
    authenticate: async ({ headers: { authorization = "ann:admin" } }) => {
      const [id = "", role = id] = authorization.split(":");
      return { actor: { ...systemActor, kind: "person", id, name: id }, role: role as Role, scope };
    },
  });
  fleet.rollouts.routes(app);
  await fleet.release("1.0.0");
  await fleet.tick();
  return {
    fleet,
    async call(
      method: "GET" | "POST" | "PUT" | "DELETE",
      url: string,
      { body, headers = {} }: { body?: unknown; headers?: Record<string, string> } = {},
    ) {
      const json =
        body === undefined ? {} : { payload: JSON.stringify(body), headers: { ...headers, "content-type": "application/json" } };
      const response = await app.inject({ method, url: `/api/v1${url}`, headers, ...json });
      return { status: response.statusCode, body: response.json() };
    },
    async [Symbol.asyncDispose]() {
      await app.close();
      await fleet[Symbol.asyncDispose]();
    },
  };
}

/** True for a share of the devices that the seed decides. */
export const struck = (device: string, share: number): boolean => hash32(`struck/${device}`) / 2 ** 32 < share;

async function phaseOf(db: Database, id: string) {
  const { rows } = await sql<{
    phase: string;
    because: string;
    ended: boolean;
  }>`select phase, because, ended_at is not null as ended from rollouts.rollout where id = ${id}`.execute(db);
  return rows[0] ?? { phase: "unknown", because: "", ended: false };
}

export type DeploymentRow = {
  device: string;
  rollback: boolean;
  state: string;
  reason: string | null;
  stage: number;
  returned_with: string | null;
};

async function rowsOf(db: Database, id: string): Promise<DeploymentRow[]> {
  return (
    await sql<DeploymentRow>`select device, rollback, state, reason, stage, returned_with from rollouts.deployment where rollout = ${id} order by place, rollback, attempt`.execute(
      db,
    )
  ).rows;
}

/** Registered devices `x1`… that run version 1.0.0, in bulk; for measurements. */
export async function addDevices(db: Database, { count, at }: { count: number; at: number }): Promise<void> {
  for (let first = 1; first <= count; first += 5_000) {
    await sql`
      insert into registry.device (id, fleet, lifecycle, model, tags, trust_level, created_at, updated_at, first_contact_at, last_contact_at, lease_ms, reach_from, reach_until,
        heartbeat_at, boot_id, fw_version, fw_key, fw_hash, fw_state, fw_since)
      select 'x' || n, ${scope.fleet}, 'active', 'pump', '{}', 1, t, t, t, t, 86400000, t, t + interval '1 day', t, 'b' || n, '1.0.0', '1.0.0', ${hashOf("1.0.0")}, 'confirmed', t
      from generate_series(${first}::int, ${Math.min(count, first + 4_999)}::int) n, (select ${new Date(at)}::timestamptz as t) now`.execute(
      db,
    );
  }
  await sql`analyze registry.device`.execute(db);
}

/** Has the loop look at a rollout at its next turn. */
export async function lookNow(db: Database, { id, at }: { id: string; at: number }): Promise<void> {
  await sql`update rollouts.rollout set look_at = ${new Date(at)} where id = ${id}`.execute(db);
}

/** Devices that a rollout has on their way, in the order of the line. */
export async function devicesInFlight(db: Database, { id, limit }: { id: string; limit: number }): Promise<string[]> {
  const { rows } = await sql<{ device: string }>`
    select device from rollouts.deployment where rollout = ${id} and in_flight order by place limit ${limit}`.execute(db);
  return rows.map(({ device }) => device);
}
