import { createHash } from "node:crypto";
import type { Scope } from "@tenfold/base";
import type { Actor, Deletion, KeepDays, RetentionClass } from "@tenfold/contracts";
import { sql } from "kysely";
import type { ColumnStore, Queryable, Transaction } from "../kernel/index.ts";
import { type HeldWindow, heldCondition, type Kept, type PartitionFacts, type PartitionPlan, usualKeepDays } from "./retention.ts";

export const tableOf: Readonly<Record<RetentionClass, string>> = {
  raw: "point",
  minute: "point_minute",
  hour: "point_hour",
  events: "device_event",
  logs: "device_log",
};

/** Holds and deletions are planned one after the other. Held to the end of the transaction. */
export async function lockRetention(tx: Transaction): Promise<void> {
  await sql`select pg_advisory_xact_lock(7303014471)`.execute(tx);
}

/** From when on points and minutes are whole: what a deletion has begun to take away counts as gone. */
export async function readKept(db: Queryable, scope: Scope): Promise<Kept> {
  const { rows } = await sql<{ class: string; before: Date }>`
    select class, max(before) as before from telemetry.deletion where fleet = ${scope.fleet} and class in ('raw', 'minute') group by class`.execute(
    db,
  );
  const before = new Map(rows.map((row) => [row.class, row.before.getTime()]));
  return { raw: before.get("raw") ?? 0, minute: before.get("minute") ?? 0 };
}

export type Policy = { keepDays: KeepDays; changedAt?: string; changedBy?: Actor };

export async function readPolicy(db: Queryable, scope: Scope): Promise<Policy> {
  const { rows } = await sql<{ keep_days: KeepDays; changed_at: Date; changed_by: Actor }>`
    select keep_days, changed_at, changed_by from telemetry.retention_policy where fleet = ${scope.fleet}`.execute(db);
  const [row] = rows;
  if (row === undefined) return { keepDays: usualKeepDays };
  return { keepDays: row.keep_days, changedAt: row.changed_at.toISOString(), changedBy: row.changed_by };
}

export async function writePolicy(
  tx: Transaction,
  scope: Scope,
  { keepDays, actor, at }: { keepDays: KeepDays; actor: Actor; at: Date },
) {
  await sql`insert into telemetry.retention_policy (fleet, keep_days, changed_at, changed_by)
    values (${scope.fleet}, ${JSON.stringify(keepDays)}::jsonb, ${at}, ${JSON.stringify(actor)}::jsonb)
    on conflict (fleet) do update set keep_days = excluded.keep_days, changed_at = excluded.changed_at, changed_by = excluded.changed_by`.execute(
    tx,
  );
}

/** Fleets that may have something to delete. */
export async function readFleets(db: Queryable): Promise<string[]> {
  const { rows } = await sql<{ fleet: string }>`
    select 'main' as fleet union select fleet from telemetry.retention_policy union select distinct fleet from telemetry.metric order by 1`.execute(
    db,
  );
  return rows.map(({ fleet }) => fleet);
}

type PlannedPartition = PartitionPlan & { fingerprint: string };
/** With the windows as they were held then: what is released meanwhile is not in this plan. */
export type Plan = { holds: (HeldWindow & { id: string })[]; partitions: PlannedPartition[] };
type DeletionRow = {
  id: string;
  class: RetentionClass;
  before: Date;
  reason: string;
  actor: Actor;
  planned_at: Date;
  plan: Plan;
  finished_at: Date | null;
  sha256: string | null;
};

export type PlannedDeletion = {
  id: string;
  class: RetentionClass;
  before: number;
  reason: string;
  actor: Actor;
  plannedAt: number;
  plan: Plan;
};

export async function insertDeletion(
  tx: Transaction,
  scope: Scope,
  { id, before, reason, actor, plannedAt, plan, ...rest }: PlannedDeletion,
) {
  await sql`insert into telemetry.deletion (id, fleet, class, before, reason, actor, planned_at, plan)
    values (${id}, ${scope.fleet}, ${rest.class}, ${new Date(before)}, ${reason}, ${JSON.stringify(actor)}::jsonb, ${new Date(plannedAt)}, ${JSON.stringify(plan)}::jsonb)`.execute(
    tx,
  );
}

/** Those that were planned and not finished: by this process, or by one that died. */
export async function readUnfinished(db: Queryable, scope: Scope): Promise<PlannedDeletion[]> {
  const { rows } =
    await sql<DeletionRow>`select * from telemetry.deletion where fleet = ${scope.fleet} and finished_at is null order by planned_at`.execute(
      db,
    );
  return rows.map((row) => ({ ...row, before: row.before.getTime(), plannedAt: row.planned_at.getTime() }));
}

export async function finishDeletion(
  tx: Transaction,
  { id, sha256, at }: { id: string; sha256: string; at: Date },
): Promise<boolean> {
  const { rows } =
    await sql`update telemetry.deletion set finished_at = ${at}, sha256 = ${sha256} where id = ${id} and finished_at is null returning id`.execute(
      tx,
    );
  return rows.length > 0;
}

export async function readDeletions(db: Queryable, scope: Scope, ids?: readonly string[]): Promise<Deletion[]> {
  const { rows } = await sql<DeletionRow>`select * from telemetry.deletion where fleet = ${scope.fleet}
    and ${ids === undefined ? sql`true` : sql`id = any(${[...ids]}::text[])`} order by planned_at desc, class limit 50`.execute(db);
  return rows.map((row) => ({
    id: row.id,
    class: row.class,
    before: row.before.toISOString(),
    reason: row.reason,
    actor: row.actor,
    plannedAt: row.planned_at.toISOString(),
    ...(row.finished_at === null ? {} : { finishedAt: row.finished_at.toISOString() }),
    rows: row.plan.partitions.reduce((sum, { rows: n }) => sum + n, 0),
    bytes: row.plan.partitions.reduce((sum, { bytes }) => sum + bytes, 0),
    partitions: row.plan.partitions.map(shownPartition),
    ...(row.sha256 === null ? {} : { sha256: row.sha256 }),
  }));
}

export const shownPartition = ({ partition, rows, heldRows, bytes, from, to, how }: PartitionPlan) => ({
  partition,
  rows,
  heldRows,
  bytes,
  from: new Date(from).toISOString(),
  to: new Date(to).toISOString(),
  how,
});

export type Cut = { kind: RetentionClass; before: number; holds: readonly HeldWindow[] };

/** What each month holds before the cut: one question a month, so that none takes long. */
export async function readPartitions(store: ColumnStore, scope: Scope, { kind, before, holds }: Cut): Promise<PartitionFacts[]> {
  const table = tableOf[kind];
  const months = await store.query<{ partition: string; total: number; bytes: number }>(
    `SELECT partition_id AS partition, sum(rows) AS total, sum(bytes_on_disk) AS bytes FROM system.parts
     WHERE database = 'tenfold' AND table = {table:String} AND active AND partition_id <= {last:String} GROUP BY partition_id ORDER BY partition_id`,
    { table, last: new Date(before).toISOString().slice(0, 7).replace("-", "") },
  );
  const held = heldCondition(holds, kind);
  const facts: PartitionFacts[] = [];
  for (const month of months) {
    const [row] = await store.query<Omit<PartitionFacts, "partition" | "total" | "bytes">>(
      `SELECT count() AS due, countIf(${held.sql}) AS held, toUnixTimestamp64Milli(minIf(ts, NOT ${held.sql})) AS from, toUnixTimestamp64Milli(maxIf(ts, NOT ${held.sql})) AS to
       FROM tenfold.${table} WHERE fleet = {fleet:String} AND ts < {before:DateTime64(3)} AND _partition_id = {month:String}`,
      { fleet: scope.fleet, before, month: month.partition, ...held.parameters },
    );
    if (row) facts.push({ ...month, ...row });
  }
  return facts;
}

/**
 * What will be gone, in one number: of whole months the engine's own hashes over all bytes of their parts, of others a hash over the keys of
 * the rows, in any order.
 */
export async function fingerprint(
  store: ColumnStore,
  scope: Scope,
  { plan, ...cut }: Cut & { plan: PartitionPlan },
): Promise<string> {
  const table = tableOf[cut.kind];
  if (plan.how === "drop") {
    const parts = await store.query<{ hash: string }>(
      `SELECT hash_of_all_files AS hash FROM system.parts
       WHERE database = 'tenfold' AND table = {table:String} AND active AND partition_id = {month:String} ORDER BY hash`,
      { table, month: plan.partition },
    );
    return `files:${createHash("sha256")
      .update(parts.map(({ hash }) => hash).join("\n"))
      .digest("hex")}`;
  }
  const where = goes(scope, { ...cut, partition: plan.partition });
  const [row] = await store.query<{ hash: string }>(
    `SELECT hex(groupBitXor(cityHash64(device, ts))) AS hash FROM tenfold.${table} WHERE ${where.sql} AND _partition_id = {month:String}`,
    { ...where.parameters, month: plan.partition },
  );
  return `keys:${row?.hash ?? ""}`;
}

function goes(scope: Scope, { kind, before, holds }: Cut & { partition: string }) {
  const held = heldCondition(holds, kind);
  return {
    sql: `fleet = {fleet:String} AND ts < {before:DateTime64(3)} AND NOT ${held.sql}`,
    parameters: { fleet: scope.fleet, before, ...held.parameters },
  };
}

/** Deletes what goes from one month. Safe to repeat. Dropped only while nothing else lies in it. */
export async function deletePartition(
  store: ColumnStore,
  scope: Scope,
  { partition, ...cut }: Cut & { partition: string },
): Promise<void> {
  if (!/^\d{6}$/.test(partition)) throw new Error(`"${partition}" is not a month's partition.`);
  const facts = (await readPartitions(store, scope, cut)).find((month) => month.partition === partition);
  if (facts === undefined || facts.due === facts.held) return;
  const table = `tenfold.${tableOf[cut.kind]}`;
  if (facts.held === 0 && facts.due === facts.total) return store.command(`ALTER TABLE ${table} DROP PARTITION ID '${partition}'`);
  const where = goes(scope, { ...cut, partition });
  await store.command(`ALTER TABLE ${table} DELETE IN PARTITION ID '${partition}' WHERE ${where.sql}`, where.parameters);
}

export type ClassSize = { class: RetentionClass; rows: number; bytes: number; oldest?: string; newest?: string };

/** Rows, bytes and span of each class, over all fleets: from the engine's own records, without reading a row. */
export async function readSizes(store: ColumnStore): Promise<ClassSize[]> {
  const rows = await store.query<{ table: string; rows: number; bytes: number; oldest: number; newest: number }>(
    `SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes, toUnixTimestamp(min(min_time)) * 1000 AS oldest, toUnixTimestamp(max(max_time)) * 1000 AS newest
     FROM system.parts WHERE database = 'tenfold' AND active GROUP BY table`,
  );
  const known = new Map(rows.map((row) => [row.table, row]));
  const classes: RetentionClass[] = ["raw", "minute", "hour", "events", "logs"];
  return classes.map((kind) => {
    const { rows: n = 0, bytes = 0, oldest = 0, newest = 0 } = known.get(tableOf[kind]) ?? {};
    return {
      class: kind,
      rows: n,
      bytes,
      ...(n === 0 || oldest === 0 ? {} : { oldest: new Date(oldest).toISOString(), newest: new Date(newest).toISOString() }),
    };
  });
}
