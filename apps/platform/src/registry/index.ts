/** What devices there are: identity's name, lifecycle, tags, groups, and what was last heard of each. */
import type { Json, Scope } from "@tenfold/base";
import type { Actor, Device, Lifecycle } from "@tenfold/contracts";
import { expandGroups, type Filter, parseFilter } from "@tenfold/query";
import type { Audit } from "../access/index.ts";
import type { Bus, Clock, Database, Log, Queryable, Transaction } from "../kernel/index.ts";
import { leaseBeforeHeartbeat } from "./connectivity.ts";
import { type HeardDevice, writeContacts } from "./contacts.shell.ts";
import type { Contact } from "./contacts.ts";
import { type DevicePicture, deviceOf, pictureOf } from "./device.ts";
import { registryProblems, unknownDevice } from "./errors.ts";
import { readGroupNames } from "./groups.shell.ts";
import { actionOf, assertMayBeMade, assertMayBeMoved } from "./lifecycle.ts";
import { writeRefusals } from "./refusals.shell.ts";
import { type Refusal, tallyRefusals } from "./refusals.ts";
import { readReported, writeReported } from "./reported.shell.ts";
import type { ReportedPatch } from "./reported.ts";
import { readSilence, readTraits, type Silence, type SilenceQuestion, type Trait } from "./silence.shell.ts";
import {
  countFirmware,
  type FirmwareInUse,
  type FoundDevice,
  findDevice,
  insertDevice,
  lockLifecycle,
  type Narrowing,
  type NewDevice,
  readDevice,
  readPictures,
  readPicturesById,
  writeLifecycle,
  writeTrustLevel,
} from "./store.ts";
import { takeOver } from "./succession.shell.ts";

export { connectivityOf } from "./connectivity.ts";
export type { Contact } from "./contacts.ts";
export type { DevicePicture } from "./device.ts";
export { registryProblems } from "./errors.ts";
export type { Refusal } from "./refusals.ts";
export { mergePatch, type ReportedPatch, readReportedPatch } from "./reported.ts";
export { registryRoutes, type TimelineSource } from "./routes.ts";
export type { Deafness, Silence, SilenceQuestion, SilentDevice, Trait } from "./silence.shell.ts";
export type { FirmwareInUse, FoundDevice, NewDevice } from "./store.ts";

export type RegistryDeps = {
  db: Database;
  bus: Bus;
  clock: Clock;
  log: Log;
  /** `access.audit`: written in the same transaction as the change. */
  audit: Audit;
};

export type Registry = {
  get(scope: Scope, id: string): Promise<Device | undefined>;
  /** In whatever fleet: for those who know a device only by its certificate. */
  find(id: string): Promise<FoundDevice | undefined>;
  /** Inside the caller's transaction. An id that exists keeps what it is; one that exists in another fleet is refused. */
  register(tx: Transaction, scope: Scope, device: NewDevice): Promise<"created" | "already">;
  /** Lets an expected or pending device in. Throws for one that is suspended, quarantined or retired: enrolling again lifts no suspension. */
  activate(tx: Transaction, scope: Scope, id: string, options: { trustLevel: number }): Promise<"activated" | "already">;
  /** What enrollment found out about the worth of the identity. */
  setTrustLevel(tx: Transaction, scope: Scope, id: string, to: { level: number }): Promise<void>;
  /** A person's wish, audited. Throws where it may not be, and where only enrollment may: the first time a device becomes active. */
  setLifecycle(scope: Scope, id: string, change: { to: Lifecycle; reason: string; actor: Actor }): Promise<Device>;
  /** Inside the caller's transaction; locks the device. Undefined where it is not registered. */
  lifecycleOf(tx: Transaction, scope: Scope, id: string): Promise<Lifecycle | undefined>;
  /** Inside the caller's transaction, for devices that change hands or boards. Answers what tells the world; call it after the commit. */
  changeLifecycle(
    tx: Transaction,
    scope: Scope,
    id: string,
    change: { to: Lifecycle; reason: string; actor: Actor },
  ): Promise<() => void>;
  /** What a device is beside its identity. Throws `device_unknown`. */
  traitsOf(
    tx: Transaction,
    scope: Scope,
    id: string,
  ): Promise<{ model?: string; tags: Record<string, string>; trustLevel: number }>;
  /** Gives one device's model, tags and groups to another. */
  succeed(tx: Transaction, scope: Scope, succession: { from: string; to: string }): Promise<void>;
  /** Any authenticated message is contact. Idempotent; batches may come late or twice. Ids that are not registered are left out. */
  recordContacts(contacts: readonly Contact[]): Promise<void>;
  /** Counts inputs that were refused. At least once: a batch that is replayed counts again. */
  recordRefusals(refusals: readonly Refusal[]): Promise<void>;
  /** The devices that a filter (docs/filter-language.md) lets through now, by id. */
  select(scope: Scope, filter: string, within?: Narrowing): Promise<DevicePicture[]>;
  /** Which of the watched devices are silent: past their lease and its grace. One question to the database, however many devices. */
  silence(scope: Scope, question: SilenceQuestion): Promise<Silence>;
  /** What the silent devices have in common, most telling first: a tag, model or firmware, with how many of those that have it are silent. */
  silentTraits(scope: Scope, question: SilenceQuestion): Promise<Trait[]>;
  /** Takes in what devices report about themselves (JSON merge patches), once each. */
  recordReported(reports: readonly ReportedPatch[]): Promise<void>;
  /** What a device last reported about itself; undefined when it is not registered. */
  reportedOf(scope: Scope, id: string): Promise<Json | undefined>;
  /** Devices by id; those that the fleet does not have are left out. */
  pictures(scope: Scope, devices: readonly string[]): Promise<DevicePicture[]>;
  /** How many devices that are not retired run which firmware, as they last said. */
  firmwareInUse(scope: Scope): Promise<FirmwareInUse[]>;
  /** The filter with every dynamic group replaced by what it stands for. Throws `filter_invalid`, `filter_group_unknown`. */
  resolveFilter(scope: Scope, filter: string, db?: Queryable): Promise<Filter>;
};

export function createRegistry({ db, bus, clock, log, audit }: RegistryDeps): Registry {
  const announce = (id: string, lifecycle: Lifecycle) =>
    bus.publish({ type: "device.lifecycle_changed", subject: id, data: { lifecycle } });
  const resolveFilter: Registry["resolveFilter"] = async (scope, text, from = db) => {
    const filter = parseFilter(text);
    const groups = new Map((await readGroupNames(from, scope)).map((group) => [group.name, group.filter]));
    return expandGroups(filter, (name) => {
      const definition = groups.get(name);
      if (definition === undefined) return undefined;
      return definition === null ? { is: "static" } : { is: "dynamic", filter: parseFilter(definition) };
    });
  };

  return {
    resolveFilter,
    find: (id) => findDevice(db, id),

    async get(scope, id) {
      const row = await readDevice(db, scope, id);
      return row && deviceOf(row, clock.now());
    },

    async register(tx, scope, device) {
      if (await insertDevice(tx, scope, { device, now: clock.now() })) {
        bus.publish({ type: "device.registered", subject: device.id, data: { lifecycle: device.lifecycle } });
        return "created";
      }
      if ((await readDevice(tx, scope, device.id)) !== undefined) return "already";
      throw registryProblems.device_exists_elsewhere(`Device "${device.id}" is registered in another fleet.`, {
        fix: "Give the device another id, or retire it there.",
      });
    },

    async activate(tx, scope, id, { trustLevel }) {
      const from = await lockLifecycle(tx, scope, id);
      if (from === undefined) throw unknownDevice(id);
      if (from !== "active" && from !== "expected" && from !== "pending") {
        throw registryProblems.lifecycle_not_allowed(`Device "${id}" is ${from}: enrolling does not let it in again.`, {
          fix: from === "retired" ? "Enroll the hardware under a new identity." : `tenfold device resume ${id}`,
        });
      }
      await writeTrustLevel(tx, scope, { id, trustLevel });
      if (from === "active") return "already";
      await writeLifecycle(tx, scope, { id, from, to: "active", now: clock.now() });
      announce(id, "active");
      return "activated";
    },

    setTrustLevel: (tx, scope, id, { level }) => writeTrustLevel(tx, scope, { id, trustLevel: level }),

    async setLifecycle(scope, id, { to, reason, actor }) {
      const device = await db.transaction().execute(async (tx) => {
        const from = await lockLifecycle(tx, scope, id);
        if (from === undefined) throw unknownDevice(id);
        assertMayBeMade(id, from, to);
        await writeLifecycle(tx, scope, { id, from, to, reason, actor, now: clock.now() });
        await audit(tx, scope, { actor, action: actionOf[to], subject: { kind: "device", id }, detail: { from, to, reason } });
        return readDevice(tx, scope, id);
      });
      if (device === undefined) throw unknownDevice(id);
      announce(id, to);
      log.info("device.lifecycle_changed", { device: id, lifecycle: to, by: actor.name });
      return deviceOf(device, clock.now());
    },

    lifecycleOf: lockLifecycle,

    async changeLifecycle(tx, scope, id, { to, reason, actor }) {
      const from = await lockLifecycle(tx, scope, id);
      if (from === undefined) throw unknownDevice(id);
      assertMayBeMoved(id, from, to);
      await writeLifecycle(tx, scope, { id, from, to, reason, actor, now: clock.now() });
      return () => announce(id, to);
    },

    async traitsOf(tx, scope, id) {
      const row = await readDevice(tx, scope, id);
      if (row === undefined) throw unknownDevice(id);
      const { model, tags, trustLevel } = deviceOf(row, clock.now());
      return { tags, trustLevel, ...(model === undefined ? {} : { model }) };
    },

    succeed: (tx, scope, { from, to }) => takeOver(tx, scope, { from, to, now: clock.now() }),

    async recordContacts(contacts) {
      if (contacts.length === 0) return;
      const heard = await writeContacts(db, contacts);
      for (const { id, firmwareChanges } of heard) {
        for (const { was, version } of firmwareChanges)
          bus.publish({ type: "device.firmware_changed", subject: id, data: { was, version } });
      }
      if (heard.length > 0) bus.publish({ type: "device.contact", subject: "batch", data: { devices: heard.map(liveContact) } });
    },

    async recordRefusals(refusals) {
      if (refusals.length === 0) return;
      const tallies = tallyRefusals(refusals);
      const known = new Set(await writeRefusals(db, tallies));
      for (const { device, count, reason } of tallies)
        if (known.has(device)) bus.publish({ type: "device.input_refused", subject: device, data: { count, reason } });
    },

    silence: async (scope, question) =>
      readSilence(db, scope, { ...question, filter: await resolveFilter(scope, question.filter) }),
    silentTraits: async (scope, question) =>
      readTraits(db, scope, { ...question, filter: await resolveFilter(scope, question.filter) }),
    recordReported: (reports) => writeReported(db, reports),
    reportedOf: (scope, id) => readReported(db, scope, id),

    firmwareInUse: (scope) => countFirmware(db, scope),

    async pictures(scope, devices) {
      const now = clock.now();
      return (await readPicturesById(db, scope, devices)).map((row) => pictureOf(row, now));
    },

    async select(scope, filter, within = {}) {
      const now = clock.now();
      const rows = await readPictures(db, scope, { filter: await resolveFilter(scope, filter), now, ...within });
      return rows.map((row) => pictureOf(row, now));
    },
  };
}

/** What the console needs to keep its list alive without asking. */
function liveContact({ id, record: { lastContactAt, leaseMs, version } }: HeardDevice) {
  const at = lastContactAt ?? 0;
  return {
    id,
    at: new Date(at).toISOString(),
    leaseUntil: new Date(at + (leaseMs ?? leaseBeforeHeartbeat)).toISOString(),
    version,
  };
}
