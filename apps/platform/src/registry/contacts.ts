import { versionKey } from "@tenfold/base";
import type { Heartbeat } from "@tenfold/contracts";
import { leaseBeforeHeartbeat } from "./connectivity.ts";

/**
 * One authenticated message: a sign of life at `at` (ms, the server's clock), with what it said when it was a heartbeat. One that is none
 * may carry a lease all the same, where the protocol promises when the next will come.
 */
export type Contact = { device: string; at: number; heartbeat?: Heartbeat; leaseMs?: number };

/** What is known of a device's contact. Times in ms; what is not known yet is null. */
export type ContactRecord = {
  firstContactAt: number | null;
  lastContactAt: number | null;
  /** Of the newest heartbeat. */
  leaseMs: number | null;
  /** The stretch of leases without a gap that goes on now. */
  reachFrom: number | null;
  reachUntil: number | null;
  heartbeatAt: number | null;
  bootId: string | null;
  /** Boots that were followed by another, newest last: what they say comes late. */
  pastBoots: readonly string[] | null;
  seq: number | null;
  uptimeS: number | null;
  model: string | null;
  hardwareRevision: string | null;
  version: string | null;
  versionKey: string | null;
  hash: string | null;
  slot: string | null;
  state: string | null;
  firmwareSince: number | null;
  powerSource: string | null;
  powerLevel: number | null;
  bearer: string | null;
  metered: boolean | null;
};

const mostPastBoots = 10;

/** A stretch of contact that is over. */
export type Span = { from: number; until: number };
export type FirmwareChange = { at: number; was: string | null; version: string; hash: string | null; bootId: string };

/** What a batch says about one device: the record after it, and what has become history. */
export type Heard = { record: ContactRecord; closed: Span[]; firmwareChanges: FirmwareChange[] };

/**
 * Takes in contacts of one device, in any order. Pure, and nothing goes backwards: contacts that come twice, or that are older than the
 * open stretch, change nothing.
 */
export function hear(known: ContactRecord, contacts: readonly Contact[]): Heard {
  const heard: Heard = { record: { ...known }, closed: [], firmwareChanges: [] };
  for (const { at, heartbeat, leaseMs } of contacts.toSorted((a, b) => a.at - b.at)) {
    if (heartbeat !== undefined) hearHeartbeat(heard, at, heartbeat);
    else if (leaseMs !== undefined && at >= (heard.record.lastContactAt ?? at)) heard.record.leaseMs = leaseMs;
    const lease = heartbeat === undefined ? (leaseMs ?? heard.record.leaseMs ?? leaseBeforeHeartbeat) : leaseOf(heartbeat);
    reach(heard, { from: at, until: at + lease });
    heard.record.firstContactAt ??= at;
    heard.record.lastContactAt = Math.max(heard.record.lastContactAt ?? at, at);
  }
  return heard;
}

/** Whether there is anything to write. */
export const isNews = (known: ContactRecord, { record }: Heard): boolean =>
  known.lastContactAt !== record.lastContactAt ||
  known.reachUntil !== record.reachUntil ||
  known.heartbeatAt !== record.heartbeatAt;

/** Joins a lease to the open stretch, or closes that and opens another where there was a gap. */
function reach({ record, closed }: Heard, lease: Span): void {
  const { reachFrom, reachUntil } = record;
  if (reachFrom === null || reachUntil === null) {
    [record.reachFrom, record.reachUntil] = [lease.from, lease.until];
  } else if (lease.from > reachUntil) {
    closed.push({ from: reachFrom, until: reachUntil });
    [record.reachFrom, record.reachUntil] = [lease.from, lease.until];
  } else {
    // A lease that began before the open stretch tells of closed history; only its end can still matter.
    record.reachUntil = Math.max(reachUntil, lease.until);
  }
}

function hearHeartbeat({ record, firmwareChanges }: Heard, at: number, heartbeat: Heartbeat): void {
  if (record.heartbeatAt !== null && at <= record.heartbeatAt) return;
  const { firmware, uptimeS, model, hardwareRevision } = heartbeat;
  const bootId = storable(heartbeat.bootId);
  if (isLate(record, at, bootId)) return;
  const [version, hash] = [storable(firmware.version), firmware.hash ?? null];
  const otherImage = hash !== null && record.hash !== null && hash !== record.hash;
  const otherVersion = version !== record.version;
  if (otherVersion || otherImage) {
    firmwareChanges.push({ at, was: record.version, version, hash, bootId });
    record.firmwareSince = at;
  }
  Object.assign(record, {
    heartbeatAt: at,
    leaseMs: leaseOf(heartbeat),
    bootId,
    pastBoots: pastBootsAfter(record, bootId),
    seq: heartbeat.seq,
    uptimeS,
    version,
    versionKey: versionKey(version),
    hash: otherVersion ? hash : (hash ?? record.hash),
    slot: firmware.slot === undefined ? null : storable(firmware.slot),
    state: firmware.state,
    ...circumstancesOf(heartbeat),
    ...(model !== undefined && { model: storable(model) }),
    ...(hardwareRevision !== undefined && { hardwareRevision: storable(hardwareRevision) }),
  } satisfies Partial<ContactRecord>);
}

/** What a heartbeat does not say is not known any more: an old battery level must not let an update through. */
const circumstancesOf = ({ power, net }: Heartbeat): Pick<ContactRecord, "powerSource" | "powerLevel" | "bearer" | "metered"> => ({
  powerSource: power?.source ?? null,
  powerLevel: power?.level ?? null,
  bearer: net === undefined ? null : storable(net.bearer),
  metered: net?.metered ?? null,
});

/**
 * Sent before the boot that was heard last, however late it arrives: it tells of what was. Not where that one has been silent for longer than
 * its lease: then the late one was the other, or the device names a boot twice (device.md D12), and must not be deaf for ever.
 */
const isLate = ({ pastBoots, heartbeatAt, leaseMs }: ContactRecord, at: number, bootId: string): boolean =>
  (pastBoots?.includes(bootId) ?? false) && at <= (heartbeatAt ?? 0) + (leaseMs ?? leaseBeforeHeartbeat);

function pastBootsAfter({ bootId: last, pastBoots }: ContactRecord, bootId: string): readonly string[] | null {
  if (last === null || last === bootId) return pastBoots;
  return [...(pastBoots ?? []).filter((id) => id !== bootId), last].slice(-mostPastBoots);
}

const leaseOf = (heartbeat: Heartbeat) => Math.round(heartbeat.leaseS * 1_000);

/** PostgreSQL cannot hold NUL or half a surrogate pair, and one device must not fail everybody's batch. */
export const storable = (text: string): string => text.toWellFormed().replaceAll("\0", "\u{fffd}");
