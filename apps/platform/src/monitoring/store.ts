import { newId, type Scope } from "@tenfold/base";
import type { Alert } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { Condition, OpenAlert, Rule, Subject } from "./rule.ts";

type RuleRow = Omit<Rule, "filter" | "share"> & { filter: string | null; share: number | null };

const ruleColumns = sql`id, kind, name, enabled, severity, filter, share, hold_ms as "holdMs"`;

const ruleOf = ({ filter, share, ...rule }: RuleRow): Rule => ({
  ...rule,
  ...(filter !== null && { filter }),
  ...(share !== null && { share }),
});

export async function readRules(db: Queryable, scope: Scope): Promise<Rule[]> {
  return (
    await sql<RuleRow>`select ${ruleColumns} from monitoring.rule where fleet = ${scope.fleet} order by id`.execute(db)
  ).rows.map(ruleOf);
}

export async function lockRule(tx: Transaction, scope: Scope, id: string): Promise<Rule | undefined> {
  const { rows } =
    await sql<RuleRow>`select ${ruleColumns} from monitoring.rule where fleet = ${scope.fleet} and id = ${id} for update`.execute(
      tx,
    );
  return rows.map(ruleOf)[0];
}

export async function writeRule(
  tx: Transaction,
  scope: Scope,
  { id, enabled, severity, filter, share, holdMs }: Rule,
): Promise<void> {
  await sql`update monitoring.rule set enabled = ${enabled}, severity = ${severity}, filter = ${filter ?? null}, share = ${share ?? null}, hold_ms = ${holdMs}
    where fleet = ${scope.fleet} and id = ${id}`.execute(tx);
}

/** Adds the rules that the fleet does not have; those that it has keep what was changed. */
export async function insertRules(db: Queryable, scope: Scope, rules: readonly Rule[]): Promise<void> {
  for (const { id, kind, name, enabled, severity, filter, share, holdMs } of rules) {
    await sql`
      insert into monitoring.rule (fleet, id, kind, name, enabled, severity, filter, share, hold_ms)
      values (${scope.fleet}, ${id}, ${kind}, ${name}, ${enabled}, ${severity}, ${filter ?? null}, ${share ?? null}, ${holdMs})
      on conflict do nothing`.execute(db);
  }
}

/** One judge at a time for a fleet, until the transaction ends. */
export async function lockJudging(tx: Transaction, scope: Scope): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('monitoring ' || ${scope.fleet}, 0))`.execute(tx);
}

export async function readOpenAlerts(db: Queryable, scope: Scope): Promise<OpenAlert[]> {
  type Row = {
    id: string;
    rule: string;
    subject_kind: Subject["kind"];
    subject_id: string;
    title: string;
    why: string;
    devices: string[];
    clear_since: Date | null;
  };
  const { rows } = await sql<Row>`
    select id, rule, subject_kind, subject_id, title, why, devices, clear_since from monitoring.alert
    where fleet = ${scope.fleet} and state = 'firing'`.execute(db);
  return rows.map(({ subject_kind, subject_id, clear_since, ...alert }) => ({
    ...alert,
    subject: { kind: subject_kind, id: subject_id },
    ...(clear_since !== null && { clearSince: clear_since.getTime() }),
  }));
}

/** The new alert's id. */
export async function insertAlert(
  tx: Transaction,
  scope: Scope,
  { condition, now }: { condition: Condition; now: number },
): Promise<string> {
  const { rule, subject, since, title, why, comparedWith, next, devices } = condition;
  const id = newId("alr", now);
  await sql`
    insert into monitoring.alert (id, fleet, rule, kind, severity, state, subject_kind, subject_id, title, why, compared_with, next, since, opened_at, devices)
    values (${id}, ${scope.fleet}, ${rule.id}, ${rule.kind}, ${rule.severity}, 'firing', ${subject.kind}, ${subject.id}, ${title}, ${why}, ${comparedWith},
      ${next}, ${new Date(since)}, ${new Date(now)}, ${devices}::text[])`.execute(tx);
  return id;
}

export async function refreshAlert(tx: Transaction, id: string, { title, why, comparedWith, devices }: Condition): Promise<void> {
  await sql`update monitoring.alert set title = ${title}, why = ${why}, compared_with = case when kind = 'device_silent' then compared_with else ${comparedWith} end,
    devices = ${devices}::text[], clear_since = null where id = ${id}`.execute(tx);
}

export async function doubtAlerts(tx: Transaction, { ids, now }: { ids: readonly string[]; now: number }): Promise<void> {
  await sql`update monitoring.alert set clear_since = ${new Date(now)} where id = any(${ids}::text[])`.execute(tx);
}

export async function resolveAlerts(
  tx: Transaction,
  { ids, now, absorbedBy }: { ids: readonly string[]; now: number; absorbedBy?: string },
): Promise<void> {
  await sql`update monitoring.alert set state = 'resolved', resolved_at = ${new Date(now)}, absorbed_by = ${absorbedBy ?? null},
      next = case when ${absorbedBy ?? null}::text is null then next else 'It was taken into the alert about the whole group: ' || ${absorbedBy ?? null}::text end
    where id = any(${ids}::text[]) and state = 'firing'`.execute(tx);
}

type AlertRow = {
  id: string;
  rule: string;
  kind: string;
  severity: Alert["severity"];
  state: Alert["state"];
  subject_kind: Subject["kind"];
  subject_id: string;
  title: string;
  why: string;
  compared_with: string;
  next: string;
  since: Date;
  devices: string[];
  acknowledged_by: string | null;
  acknowledged_at: Date | null;
  resolved_at: Date | null;
};

const alertColumns = sql`id, rule, kind, severity, state, subject_kind, subject_id, title, why, compared_with, next, since, devices[1:1000] as devices,
  acknowledged_by, acknowledged_at, resolved_at`;

function alertOf(row: AlertRow): Alert {
  const { id, rule, kind, severity, state, title, why, next, devices } = row;
  return {
    id,
    rule,
    kind,
    severity,
    state,
    title,
    why,
    next,
    devices,
    since: row.since.toISOString(),
    comparedWith: row.compared_with,
    subject: { kind: row.subject_kind, id: row.subject_id },
    ...(row.acknowledged_by !== null && { acknowledgedBy: row.acknowledged_by }),
    ...(row.acknowledged_at !== null && { acknowledgedAt: row.acknowledged_at.toISOString() }),
    ...(row.resolved_at !== null && { resolvedAt: row.resolved_at.toISOString() }),
  };
}

export type AlertPlace = { state: Alert["state"]; id: string };

/** Firing alerts first, the newest of each first, `after` one of them. */
export async function readAlerts(
  db: Queryable,
  scope: Scope,
  { state, after, limit }: { state?: Alert["state"]; after?: AlertPlace; limit: number },
): Promise<Alert[]> {
  const { rows } = await sql<AlertRow>`
    select ${alertColumns} from monitoring.alert where fleet = ${scope.fleet}
      ${state === undefined ? sql`` : sql`and state = ${state}`}
      ${after === undefined ? sql`` : sql`and (state > ${after.state} or (state = ${after.state} and id < ${after.id}))`}
    order by state, id desc limit ${limit}`.execute(db);
  return rows.map(alertOf);
}

/** The alerts that a device was part of, newest first. */
export async function readAlertsOf(
  db: Queryable,
  scope: Scope,
  { device, limit }: { device: string; limit: number },
): Promise<Alert[]> {
  const { rows } = await sql<AlertRow>`select ${alertColumns} from monitoring.alert
    where fleet = ${scope.fleet} and devices @> array[${device}]::text[] order by id desc limit ${limit}`.execute(db);
  return rows.map(alertOf);
}

/** Locks an alert; undefined when there is none. */
export async function lockAlert(tx: Transaction, scope: Scope, id: string): Promise<Alert | undefined> {
  return (
    await sql<AlertRow>`select ${alertColumns} from monitoring.alert where fleet = ${scope.fleet} and id = ${id} for update`.execute(
      tx,
    )
  ).rows.map(alertOf)[0];
}

export async function writeAcknowledgement(
  tx: Transaction,
  { id, by, now }: { id: string; by: string; now: number },
): Promise<void> {
  await sql`update monitoring.alert set acknowledged_by = ${by}, acknowledged_at = ${new Date(now)} where id = ${id}`.execute(tx);
}
