import type { Device, Lifecycle } from "@tenfold/contracts";
import { type ContactFacts, connectivityOf, leaseBeforeHeartbeat, type Verdict } from "./connectivity.ts";

/** A device's row, as `store.ts` reads it. */
export type DeviceRow = {
  id: string;
  fleet: string;
  lifecycle: Lifecycle;
  model: string | null;
  hardware_revision: string | null;
  tags: Record<string, string>;
  trust_level: number;
  created_at: Date;
  updated_at: Date;
  last_contact_at: Date | null;
  lease_ms: number | null;
  reach_from: Date | null;
  boot_id: string | null;
  uptime_s: number | null;
  fw_version: string | null;
  fw_hash: string | null;
  fw_slot: string | null;
  fw_state: string | null;
  fw_since: Date | null;
  power_source: string | null;
  power_level: number | null;
  net_bearer: string | null;
  net_metered: boolean | null;
  refused_count: number;
  refused_at: Date | null;
  refused_reason: string | null;
};

/** As much of a device's row as a picture is made of. */
export type PictureRow = Omit<
  DeviceRow,
  | "fleet"
  | "trust_level"
  | "created_at"
  | "updated_at"
  | "uptime_s"
  | "fw_slot"
  | "fw_since"
  | "refused_count"
  | "refused_at"
  | "refused_reason"
> & { past_boots: string[] | null; heartbeat_seq: number | null; booted_at: number | null };

/** What planners and rules look at; smaller than the API's device. Times in ms since 1970. */
export type DevicePicture = {
  id: string;
  model?: string;
  hardwareRevision?: string;
  tags: Record<string, string>;
  firmware?: { version: string; hash?: string; state: string };
  bootId?: string;
  /** When that boot began, by its uptime and the platform's clock. */
  bootedAt?: number;
  /** Boots that were followed by another, newest last. */
  pastBoots?: string[];
  /** Number of its newest heartbeat. */
  seq?: number;
  connectivity: Verdict;
  lastContactAt?: number;
  lifecycle: Lifecycle;
  /** Of the last heartbeat. */
  power?: { source: string; level?: number };
  net?: { bearer: string; metered?: boolean };
};

function contactFactsOf(row: Pick<DeviceRow, "last_contact_at" | "lease_ms" | "reach_from">): ContactFacts | undefined {
  if (row.last_contact_at === null) return undefined;
  const lastContactAt = row.last_contact_at.getTime();
  return { lastContactAt, leaseMs: row.lease_ms ?? leaseBeforeHeartbeat, reachFrom: row.reach_from?.getTime() ?? lastContactAt };
}

export function pictureOf(row: PictureRow, now: number): DevicePicture {
  const facts = contactFactsOf(row);
  return {
    id: row.id,
    tags: row.tags,
    lifecycle: row.lifecycle,
    connectivity: connectivityOf(facts, now),
    ...(facts && { lastContactAt: facts.lastContactAt }),
    ...(row.model !== null && { model: row.model }),
    ...(row.hardware_revision !== null && { hardwareRevision: row.hardware_revision }),
    ...(row.boot_id !== null && { bootId: row.boot_id }),
    ...(row.booted_at !== null && { bootedAt: Number(row.booted_at) }),
    ...(row.past_boots !== null && { pastBoots: row.past_boots }),
    ...(row.heartbeat_seq !== null && { seq: row.heartbeat_seq }),
    ...(row.fw_version !== null && {
      firmware: { version: row.fw_version, state: row.fw_state ?? "confirmed", ...(row.fw_hash !== null && { hash: row.fw_hash }) },
    }),
    ...(row.power_source !== null && {
      power: { source: row.power_source, ...(row.power_level !== null && { level: row.power_level }) },
    }),
    ...(row.net_bearer !== null && {
      net: { bearer: row.net_bearer, ...(row.net_metered !== null && { metered: row.net_metered }) },
    }),
  };
}

/** The device as the API shows it, judged at `now`. */
export function deviceOf(row: DeviceRow, now: number): Device {
  const facts = contactFactsOf(row);
  const { since, nextJudgementAt, ...verdict } = connectivityOf(facts, now);
  return {
    id: row.id,
    fleet: row.fleet,
    lifecycle: row.lifecycle,
    tags: row.tags,
    trustLevel: row.trust_level,
    connectivity: {
      ...verdict,
      ...(since !== undefined && { since: iso(since) }),
      ...(nextJudgementAt !== undefined && { nextJudgementAt: iso(nextJudgementAt) }),
    },
    ...(facts && { lastContactAt: iso(facts.lastContactAt), leaseUntil: iso(facts.lastContactAt + facts.leaseMs) }),
    ...(row.model !== null && { model: row.model }),
    ...(row.hardware_revision !== null && { hardwareRevision: row.hardware_revision }),
    ...(row.boot_id !== null && { bootId: row.boot_id }),
    ...(row.uptime_s !== null && { uptimeS: row.uptime_s }),
    ...firmwareOf(row),
    refusedInputs: {
      count: row.refused_count,
      ...(row.refused_at !== null && { lastAt: row.refused_at.toISOString() }),
      ...(row.refused_reason !== null && { lastReason: row.refused_reason }),
    },
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

function firmwareOf(row: DeviceRow): Pick<Device, "firmware"> {
  if (row.fw_version === null || row.fw_since === null) return {};
  return {
    firmware: {
      version: row.fw_version,
      state: row.fw_state ?? "confirmed",
      since: row.fw_since.toISOString(),
      ...(row.fw_hash !== null && { hash: row.fw_hash }),
      ...(row.fw_slot !== null && { slot: row.fw_slot }),
    },
  };
}

const iso = (at: number) => new Date(at).toISOString();
