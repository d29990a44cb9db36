import { sql } from "kysely";
import type { Database, Transaction } from "../kernel/index.ts";
import { type Contact, type ContactRecord, type FirmwareChange, type Heard, hear, isNews, type Span } from "./contacts.ts";

type Known = ContactRecord & { id: string; fleet: string };
export type HeardDevice = Heard & { id: string; fleet: string };

/**
 * Writes a batch of contacts, of every fleet, and returns the devices for which it was news. Devices that are not registered are left
 * out; contacts that come late or twice write nothing.
 */
export async function writeContacts(db: Database, contacts: readonly Contact[]): Promise<HeardDevice[]> {
  const byDevice = Map.groupBy(contacts, (contact) => contact.device);
  return db.transaction().execute(async (tx) => {
    const known = await lockRecords(tx, [...byDevice.keys()]);
    const heard = known.flatMap(({ id, fleet, ...record }) => {
      const after = hear(record, byDevice.get(id) ?? []);
      return isNews(record, after) ? [{ id, fleet, ...after }] : [];
    });
    if (heard.length === 0) return [];
    await writeRecords(tx, heard);
    await writeClosedSpans(
      tx,
      heard.flatMap(({ id, fleet, closed }) => closed.map((span) => ({ id, fleet, ...span }))),
    );
    await writeFirmwareChanges(
      tx,
      heard.flatMap(({ id, fleet, firmwareChanges }) => firmwareChanges.map((change) => ({ id, fleet, ...change }))),
    );
    return heard;
  });
}

const ms = (column: string) => sql`(extract(epoch from ${sql.ref(column)}) * 1000)::bigint`;

/** In the order of ids, so that two batches at once wait for each other instead of blocking each other. */
async function lockRecords(tx: Transaction, ids: readonly string[]): Promise<Known[]> {
  const { rows } = await sql<Known>`
    select id, fleet, ${ms("first_contact_at")} as "firstContactAt", ${ms("last_contact_at")} as "lastContactAt", lease_ms as "leaseMs",
      ${ms("reach_from")} as "reachFrom", ${ms("reach_until")} as "reachUntil", ${ms("heartbeat_at")} as "heartbeatAt", boot_id as "bootId", past_boots as "pastBoots", heartbeat_seq as seq,
      uptime_s as "uptimeS", model, hardware_revision as "hardwareRevision", fw_version as version, fw_key as "versionKey", fw_hash as hash, fw_slot as slot, fw_state as state,
      ${ms("fw_since")} as "firmwareSince",
      power_source as "powerSource", power_level as "powerLevel", net_bearer as bearer, net_metered as metered
    from registry.device where id = any(${ids}::text[]) order by id for no key update`.execute(tx);
  return rows;
}

async function writeRecords(tx: Transaction, heard: readonly HeardDevice[]): Promise<void> {
  const of = <Key extends keyof ContactRecord>(key: Key) => heard.map(({ record }) => record[key]);
  const times = (key: "firstContactAt" | "lastContactAt" | "reachFrom" | "reachUntil" | "heartbeatAt" | "firmwareSince") =>
    of(key).map(iso);
  await sql`
    update registry.device d set
      first_contact_at = h.first_contact_at, last_contact_at = h.last_contact_at, lease_ms = h.lease_ms, reach_from = h.reach_from,
      reach_until = h.reach_until, heartbeat_at = h.heartbeat_at, boot_id = h.boot_id, past_boots = h.past_boots, heartbeat_seq = h.seq, uptime_s = h.uptime_s, model = h.model, hardware_revision = h.hardware_revision,
      fw_version = h.version, fw_key = h.version_key, fw_hash = h.hash, fw_slot = h.slot, fw_state = h.state, fw_since = h.since,
      power_source = h.power_source, power_level = h.power_level, net_bearer = h.bearer, net_metered = h.metered
    from unnest(
      ${heard.map(({ id }) => id)}::text[], ${times("firstContactAt")}::timestamptz[], ${times("lastContactAt")}::timestamptz[], ${of("leaseMs")}::bigint[],
      ${times("reachFrom")}::timestamptz[], ${times("reachUntil")}::timestamptz[], ${times("heartbeatAt")}::timestamptz[], ${of("bootId")}::text[],
      ${of("pastBoots").map((past) => (past === null ? null : JSON.stringify(past)))}::jsonb[], ${of("seq")}::bigint[],
      ${of("uptimeS")}::float8[], ${of("model")}::text[], ${of("hardwareRevision")}::text[], ${of("version")}::text[], ${of("versionKey")}::text[], ${of("hash")}::text[],
      ${of("slot")}::text[], ${of("state")}::text[], ${times("firmwareSince")}::timestamptz[],
      ${of("powerSource")}::text[], ${of("powerLevel")}::float8[], ${of("bearer")}::text[], ${of("metered")}::bool[]
    ) as h(id, first_contact_at, last_contact_at, lease_ms, reach_from, reach_until, heartbeat_at, boot_id, past_boots, seq, uptime_s, model, hardware_revision, version, version_key,
      hash, slot, state, since, power_source, power_level, bearer, metered)
    where d.id = h.id`.execute(tx);
}

type OfDevice<T> = T & { id: string; fleet: string };

async function writeClosedSpans(tx: Transaction, spans: readonly OfDevice<Span>[]): Promise<void> {
  if (spans.length === 0) return;
  await sql`
    insert into registry.contact_span (fleet, device, reach_from, reach_until)
    select * from unnest(${spans.map(({ fleet }) => fleet)}::text[], ${spans.map(({ id }) => id)}::text[],
      ${spans.map(({ from }) => iso(from))}::timestamptz[], ${spans.map(({ until }) => iso(until))}::timestamptz[])
    on conflict (device, reach_from) do nothing`.execute(tx);
}

async function writeFirmwareChanges(tx: Transaction, changes: readonly OfDevice<FirmwareChange>[]): Promise<void> {
  if (changes.length === 0) return;
  await sql`
    insert into registry.firmware_change (fleet, device, at, was_version, version, hash, boot_id)
    select * from unnest(${changes.map(({ fleet }) => fleet)}::text[], ${changes.map(({ id }) => id)}::text[],
      ${changes.map(({ at }) => iso(at))}::timestamptz[], ${changes.map(({ was }) => was)}::text[], ${changes.map(({ version }) => version)}::text[],
      ${changes.map(({ hash }) => hash)}::text[], ${changes.map(({ bootId }) => bootId)}::text[])
    on conflict (device, at) do nothing`.execute(tx);
}

function iso(at: number): string;
function iso(at: number | null): string | null;
function iso(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
