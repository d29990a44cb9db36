import type { Scope } from "@tenfold/base";
import type { Actor, Lifecycle } from "@tenfold/contracts";
import type { Filter } from "@tenfold/query";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { DeviceRow, PictureRow } from "./device.ts";
import { conditionOf, statusAt } from "./filter-sql.shell.ts";

/** What a caller that knows only the certificate asks: whose device is this, and may it speak? */
export type FoundDevice = { id: string; scope: Scope; lifecycle: Lifecycle; model?: string; trustLevel: number };

export type NewDevice = {
  id: string;
  lifecycle: Extract<Lifecycle, "expected" | "pending" | "active">;
  model?: string;
  tags?: Record<string, string>;
  trustLevel?: number;
};

/** What a picture is made of: of a whole fleet, so nothing that it does not show. */
const pictureColumns = sql`d.id, d.lifecycle, d.model, d.hardware_revision, d.tags, d.last_contact_at, d.lease_ms, d.reach_from, d.boot_id, d.past_boots, d.heartbeat_seq,
  (extract(epoch from d.heartbeat_at) - d.uptime_s) * 1000 as booted_at, d.fw_version, d.fw_hash, d.fw_state, d.power_source, d.power_level, d.net_bearer, d.net_metered`;

const columns = sql`d.id, d.fleet, d.lifecycle, d.model, d.hardware_revision, d.tags, d.trust_level, d.created_at, d.updated_at, d.last_contact_at, d.lease_ms,
  d.reach_from, d.boot_id, d.uptime_s, d.fw_version, d.fw_hash, d.fw_slot, d.fw_state, d.fw_since, d.power_source, d.power_level, d.net_bearer, d.net_metered,
  d.refused_count, d.refused_at, d.refused_reason`;

export async function readDevice(db: Queryable, scope: Scope, id: string): Promise<DeviceRow | undefined> {
  return (
    await sql<DeviceRow>`select ${columns} from registry.device d where d.fleet = ${scope.fleet} and d.id = ${id}`.execute(db)
  ).rows[0];
}

export async function readPicturesById(db: Queryable, scope: Scope, ids: readonly string[]): Promise<PictureRow[]> {
  return (
    await sql<PictureRow>`select ${pictureColumns} from registry.device d where d.fleet = ${scope.fleet} and d.id = any(${ids}::text[]) order by d.id`.execute(
      db,
    )
  ).rows;
}

export type FirmwareInUse = { version: string; hash?: string; devices: number };

export async function countFirmware(db: Queryable, scope: Scope): Promise<FirmwareInUse[]> {
  type Row = { version: string; hash: string | null; devices: number };
  const { rows } = await sql<Row>`
    select fw_version as version, fw_hash as hash, count(*)::int as devices from registry.device
    where fleet = ${scope.fleet} and fw_version is not null and lifecycle <> 'retired' group by 1, 2`.execute(db);
  return rows.map(({ version, hash, devices }) => ({ version, devices, ...(hash !== null && { hash }) }));
}

export async function findDevice(db: Queryable, id: string): Promise<FoundDevice | undefined> {
  type Row = { fleet: string; lifecycle: Lifecycle; model: string | null; trust_level: number };
  const [row] = (await sql<Row>`select fleet, lifecycle, model, trust_level from registry.device where id = ${id}`.execute(db))
    .rows;
  if (row === undefined) return undefined;
  return {
    id,
    scope: { fleet: row.fleet },
    lifecycle: row.lifecycle,
    trustLevel: row.trust_level,
    ...(row.model !== null && { model: row.model }),
  };
}

/** True when the device is new; false when the id is taken, in whatever fleet. */
export async function insertDevice(
  tx: Transaction,
  scope: Scope,
  { device, now }: { device: NewDevice; now: number },
): Promise<boolean> {
  const at = new Date(now);
  const inserted = await sql`
    with fresh as (
      insert into registry.device (id, fleet, lifecycle, model, tags, trust_level, created_at, updated_at)
      values (${device.id}, ${scope.fleet}, ${device.lifecycle}, ${device.model ?? null}, ${JSON.stringify(device.tags ?? {})}::jsonb, ${device.trustLevel ?? 0}, ${at}, ${at})
      on conflict (id) do nothing returning fleet, id, lifecycle
    )
    insert into registry.lifecycle_change (fleet, device, at, lifecycle) select fleet, id, ${at}::timestamptz, lifecycle from fresh
    returning device`.execute(tx);
  return inserted.rows.length === 1;
}

/** The state of a device, which nobody else can change before the transaction ends. */
export async function lockLifecycle(tx: Transaction, scope: Scope, id: string): Promise<Lifecycle | undefined> {
  const found = await sql<{ lifecycle: Lifecycle }>`
    select lifecycle from registry.device where fleet = ${scope.fleet} and id = ${id} for no key update`.execute(tx);
  return found.rows[0]?.lifecycle;
}

export type LifecycleStep = { id: string; from: Lifecycle; to: Lifecycle; now: number; reason?: string; actor?: Actor };

export async function writeLifecycle(
  tx: Transaction,
  scope: Scope,
  { id, from, to, now, reason, actor }: LifecycleStep,
): Promise<void> {
  const at = new Date(now);
  await sql`update registry.device set lifecycle = ${to}, updated_at = ${at} where fleet = ${scope.fleet} and id = ${id}`.execute(
    tx,
  );
  await sql`
    insert into registry.lifecycle_change (fleet, device, at, was, lifecycle, reason, actor)
    values (${scope.fleet}, ${id}, ${at}, ${from}, ${to}, ${reason ?? null}, ${actor?.name ?? null})`.execute(tx);
}

export async function writeTrustLevel(
  tx: Transaction,
  scope: Scope,
  { id, trustLevel }: { id: string; trustLevel: number },
): Promise<void> {
  await sql`update registry.device set trust_level = ${trustLevel} where fleet = ${scope.fleet} and id = ${id}`.execute(tx);
}

export async function writeTags(
  tx: Transaction,
  scope: Scope,
  { id, tags, now }: { id: string; tags: Record<string, string>; now: number },
): Promise<void> {
  await sql`update registry.device set tags = ${JSON.stringify(tags)}::jsonb, updated_at = ${new Date(now)}
    where fleet = ${scope.fleet} and id = ${id}`.execute(tx);
}

export async function lockTags(tx: Transaction, scope: Scope, id: string): Promise<Record<string, string> | undefined> {
  const found = await sql<{ tags: Record<string, string> }>`
    select tags from registry.device where fleet = ${scope.fleet} and id = ${id} for no key update`.execute(tx);
  return found.rows[0]?.tags;
}

export type Selection = { filter: Filter; now: number };

/** The devices that the filter lets through, in the order of their ids, `after` one of them. */
/** Looks at some of the fleet only: these devices; those whose record or firmware changed since (ms). */
export type Narrowing = { among?: readonly string[] | undefined; changedSince?: number | undefined };

type Choosing = Selection & { after?: string; limit?: number } & Narrowing;

export const readDevices = (db: Queryable, scope: Scope, choosing: Choosing): Promise<DeviceRow[]> =>
  chooseDevices<DeviceRow>(db, scope, { ...choosing, columns });

export const readPictures = (db: Queryable, scope: Scope, choosing: Choosing): Promise<PictureRow[]> =>
  chooseDevices<PictureRow>(db, scope, { ...choosing, columns: pictureColumns });

async function chooseDevices<Chosen>(
  db: Queryable,
  scope: Scope,
  { columns: chosen, filter, now, after, limit, among, changedSince }: Choosing & { columns: typeof columns },
): Promise<Chosen[]> {
  const read = await sql<Chosen>`
    select ${chosen} from registry.device d
    where d.fleet = ${scope.fleet} and ${conditionOf(filter, now)} ${after === undefined ? sql`` : sql`and d.id > ${after}`}
      ${among === undefined ? sql`` : sql`and d.id = any(${among}::text[])`}
      ${changedSince === undefined ? sql`` : sql`and (d.updated_at >= ${new Date(changedSince)} or d.fw_since >= ${new Date(changedSince)})`}
    order by d.id ${limit === undefined ? sql`` : sql`limit ${limit}`}`.execute(db);
  return read.rows;
}

export async function countDevices(db: Queryable, scope: Scope, { filter, now }: Selection): Promise<number> {
  const counted = await sql<{ n: number }>`
    select count(*) as n from registry.device d where d.fleet = ${scope.fleet} and ${conditionOf(filter, now)}`.execute(db);
  return counted.rows[0]?.n ?? 0;
}

export type DeviceCount = { status: string; lifecycle: string; version: string | null; n: number };

/** How many devices there are of each kind: as many rows as kinds. */
export async function countByKind(db: Queryable, scope: Scope, { filter, now }: Selection): Promise<DeviceCount[]> {
  const counted = await sql<DeviceCount>`
    select ${statusAt(now)} as status, d.lifecycle, d.fw_version as version, count(*) as n
    from registry.device d where d.fleet = ${scope.fleet} and ${conditionOf(filter, now)} group by 1, 2, 3`.execute(db);
  return counted.rows;
}
