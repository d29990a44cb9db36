import type { Scope } from "@tenfold/base";
import { sql } from "kysely";
import type { Database, Transaction } from "../kernel/index.ts";
import { leaseBeforeHeartbeat } from "./connectivity.ts";
import type { ContactRun, HeartbeatFacts } from "./contacts.ts";

export type FoldedContacts = { runs: ContactRun[]; heartbeats: HeartbeatFacts[] };
export type RecordedContact = { id: string; fleet: Scope["fleet"]; lastContactAt: Date; leaseMs: number; version: string | null };
export type FirmwareChange = { device: string; at: Date; was: string | null; version: string };
export type RecordedContacts = { devices: RecordedContact[]; firmwareChanges: FirmwareChange[] };

/**
 * Writes a batch of contacts, of every fleet. Devices that are not registered are left out. Nothing ever goes backwards: a batch that
 * comes twice, or late, changes nothing that a newer one said.
 */
export async function writeContacts(db: Database, { runs, heartbeats }: FoldedContacts): Promise<RecordedContacts> {
  return db.transaction().execute(async (tx) => {
    // In the order of ids, so that two batches at once wait for each other instead of blocking each other.
    await sql`select 1 from registry.device where id = any(${runs.map((run) => run.device)}::text[]) order by id for no key update`.execute(
      tx,
    );
    const firmwareChanges = await logFirmwareChanges(tx, heartbeats);
    await closeSpans(tx, runs);
    return { devices: await updateDevices(tx, { runs, heartbeats }), firmwareChanges };
  });
}

/** Compares each heartbeat that is news with the one before it, the first with what the device's row says. */
async function logFirmwareChanges(tx: Transaction, heartbeats: readonly HeartbeatFacts[]): Promise<FirmwareChange[]> {
  const changes = await sql<FirmwareChange>`
    with said as (
      select h.*, d.fleet,
        lag(h.version, 1, d.fw_version) over in_order as was_version,
        lag(h.hash, 1, d.fw_hash) over in_order as was_hash
      from ${unnestHeartbeats(heartbeats)} h join registry.device d on d.id = h.device
      where h.at > coalesce(d.heartbeat_at, '-infinity')
      window in_order as (partition by h.device order by h.at)
    )
    insert into registry.firmware_change (fleet, device, at, was_version, version, hash, boot_id)
    select fleet, device, at, was_version, version, hash, boot_id from said
    where was_version is distinct from version or was_hash <> hash
    on conflict (device, at) do nothing
    returning device, at, was_version as was, version`.execute(tx);
  return changes.rows;
}

/** The stretches that a batch ends: where the next contact came after the last lease had run out. */
async function closeSpans(tx: Transaction, runs: readonly ContactRun[]): Promise<void> {
  await sql`
    with ${stretches(runs)}
    insert into registry.contact_span (fleet, device, reach_from, reach_until)
    select fleet, device, lower(r), upper(r) from stretch, unnest(during) r where upper(r) < upper(during)
    on conflict (device, reach_from) do nothing`.execute(tx);
}

async function updateDevices(tx: Transaction, { runs, heartbeats }: FoldedContacts): Promise<RecordedContact[]> {
  const updated = await sql<RecordedContact>`
    with ${stretches(runs)},
    heard as (
      select distinct on (h.device) h.* from ${unnestHeartbeats(heartbeats)} h join registry.device d on d.id = h.device
      where h.at > coalesce(d.heartbeat_at, '-infinity') order by h.device, h.at desc
    )
    update registry.device d set
      first_contact_at = coalesce(d.first_contact_at, s.first_contact),
      last_contact_at = greatest(d.last_contact_at, s.last_contact),
      lease_ms = coalesce(h.lease_ms, d.lease_ms),
      reach_from = (select lower(r) from unnest(s.during) r order by r desc limit 1),
      reach_until = upper(s.during),
      heartbeat_at = coalesce(h.at, d.heartbeat_at),
      boot_id = coalesce(h.boot_id, d.boot_id),
      uptime_s = coalesce(h.uptime_s, d.uptime_s),
      model = coalesce(h.model, d.model),
      fw_since = coalesce((select max(c.at) from registry.firmware_change c where h.device is not null and c.device = d.id), d.fw_since),
      fw_version = coalesce(h.version, d.fw_version),
      fw_key = coalesce(h.version_key, d.fw_key),
      fw_hash = case when h.version is distinct from d.fw_version then h.hash else coalesce(h.hash, d.fw_hash) end,
      fw_slot = coalesce(h.slot, d.fw_slot),
      fw_state = coalesce(h.state, d.fw_state)
    from stretch s left join heard h on h.device = s.device
    where d.id = s.device
    returning d.id, d.fleet, d.last_contact_at as "lastContactAt", coalesce(d.lease_ms, ${leaseBeforeHeartbeat}::bigint) as "leaseMs", d.fw_version as version`.execute(
    tx,
  );
  return updated.rows;
}

/**
 * `stretch`: for each device its open stretch of contact joined with the batch's runs. What came before the open stretch is closed
 * history and does not count again.
 */
const stretches = (runs: readonly ContactRun[]) => sql`
  run as (
    select d.fleet, r.device, greatest(r.began, d.reach_from) as began, r.ended, coalesce(r.lease_ms, d.lease_ms, ${leaseBeforeHeartbeat}::bigint) as lease_ms
    from (select * from ${unnestRuns(runs)}) r join registry.device d on d.id = r.device
    where r.ended >= coalesce(d.reach_from, '-infinity')
  ),
  stretch as (
    select fleet, device, range_agg(during) as during, min(began) as first_contact, max(ended) as last_contact from (
      select fleet, device, tstzrange(began, ended + lease_ms * interval '1 millisecond') as during, began, ended from run
      union all
      select fleet, id, tstzrange(reach_from, reach_until), null, null from registry.device
      where reach_from is not null and id in (select device from run)
    ) part group by fleet, device
  )`;

const unnestRuns = (runs: readonly ContactRun[]) => sql`unnest(
  ${runs.map((run) => run.device)}::text[],
  ${runs.map((run) => iso(run.from))}::timestamptz[],
  ${runs.map((run) => iso(run.last))}::timestamptz[],
  ${runs.map((run) => run.leaseMs)}::bigint[]
) as r(device, began, ended, lease_ms)`;

// The alias must stand inside, because `unnest` names no columns.
const unnestHeartbeats = (said: readonly HeartbeatFacts[]) => sql`(select * from unnest(
  ${said.map((h) => h.device)}::text[],
  ${said.map((h) => iso(h.at))}::timestamptz[],
  ${said.map((h) => h.leaseMs)}::bigint[],
  ${said.map((h) => h.bootId)}::text[],
  ${said.map((h) => h.uptimeS)}::float8[],
  ${said.map((h) => h.model)}::text[],
  ${said.map((h) => h.version)}::text[],
  ${said.map((h) => h.versionKey)}::text[],
  ${said.map((h) => h.hash)}::text[],
  ${said.map((h) => h.slot)}::text[],
  ${said.map((h) => h.state)}::text[]
) as said(device, at, lease_ms, boot_id, uptime_s, model, version, version_key, hash, slot, state))`;

const iso = (at: number) => new Date(at).toISOString();
