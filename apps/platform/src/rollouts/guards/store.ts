import type { Scope } from "@tenfold/base";
import type { GuardName } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../../kernel/index.ts";
import type { GuardSums, Rank } from "./evidence.ts";
import { nothingSeen, type Seen, type Window } from "./vitals.ts";

type OfRollout = { rollout: string };
const ms = (column: string) => sql.raw(`(extract(epoch from ${column}) * 1000)::float8`);

export type Unmatched = { deployment: string; device: string; verifiedAt: number };

/** Devices of a stage that run the release and are in no set yet, nor were one's controls before. */
export async function unmatchedDevices(
  on: Queryable,
  scope: Scope,
  { rollout, stage, since, limit }: OfRollout & { stage: number; since: number; limit: number },
): Promise<Unmatched[]> {
  const { rows } = await sql<{ id: string; device: string; at: number }>`
    select d.id, d.device, ${ms("d.verified_at")} as at from rollouts.deployment d
    where d.fleet = ${scope.fleet} and d.rollout = ${rollout} and not d.rollback and d.stage = ${stage} and d.state = 'succeeded' and d.verified_at > ${new Date(since)}
      and not exists (select from rollouts.watched_device w where w.fleet = d.fleet and w.rollout = d.rollout and w.device = d.device)
    order by d.place limit ${limit}`.execute(on);
  return rows.map(({ id, device, at }) => ({ deployment: id, device, verifiedAt: at }));
}

/** Devices of later stages that have not been compared yet, those that would be reached last first. */
export async function untouchedDevices(
  on: Queryable,
  scope: Scope,
  { rollout, stage, limit }: OfRollout & { stage: number; limit: number },
): Promise<string[]> {
  const { rows } = await sql<{ device: string }>`
    select d.device from rollouts.deployment d
    where d.fleet = ${scope.fleet} and d.rollout = ${rollout} and not d.rollback and d.waiting and d.stage > ${stage}
      and not exists (select from rollouts.watched_device w where w.fleet = d.fleet and w.rollout = d.rollout and w.device = d.device)
    order by d.place desc limit ${limit}`.execute(on);
  return rows.map(({ device }) => device);
}

export type NewSet = {
  deployment: string;
  stage: number;
  stratum: string;
  exposed: string;
  controls: readonly string[];
  window: Window;
};

/** Making a set twice is making it once; a device that another set has taken meanwhile is not taken from it. */
export async function insertSets(
  tx: Transaction,
  scope: Scope,
  { rollout, sets }: OfRollout & { sets: readonly NewSet[] },
): Promise<void> {
  if (sets.length === 0) return;
  const date = (at: number) => new Date(at).toISOString();
  await sql`
    insert into rollouts.matched_set (fleet, rollout, deployment, stage, stratum, until_at)
    select ${scope.fleet}, ${rollout}, s.* from unnest(${sets.map((s) => s.deployment)}::text[], ${sets.map((s) => s.stage)}::int[], ${sets.map((s) => s.stratum)}::text[],
      ${sets.map((s) => date(s.window.until))}::timestamptz[]) as s on conflict do nothing`.execute(tx);
  const members = sets.flatMap((set) => [
    { ...set, device: set.exposed, isExposed: true },
    ...set.controls.map((device) => ({ ...set, device, isExposed: false })),
  ]);
  await sql`
    insert into rollouts.watched_device (fleet, rollout, device, deployment, exposed, from_at, settled_at, until_at, seen)
    select ${scope.fleet}, ${rollout}, m.*, ${JSON.stringify(nothingSeen)}::jsonb from unnest(${members.map((m) => m.device)}::text[], ${members.map((m) => m.deployment)}::text[],
      ${members.map((m) => m.isExposed)}::bool[], ${members.map((m) => date(m.window.from))}::timestamptz[], ${members.map((m) => date(m.window.settledAt))}::timestamptz[],
      ${members.map((m) => date(m.window.until))}::timestamptz[]) as m on conflict do nothing`.execute(tx);
}

export type WatchedDevice = { rollout: string; device: string; window: Window; seen: Seen };

/** Who of these devices is being watched, locked, always in the same order. */
export async function lockWatchedDevices(tx: Transaction, scope: Scope, devices: readonly string[]): Promise<WatchedDevice[]> {
  const { rows } = await sql<{ rollout: string; device: string; from: number; settled: number; until: number; seen: Seen }>`
    select rollout, device, ${ms("from_at")} as from, ${ms("settled_at")} as settled, ${ms("until_at")} as until, seen from rollouts.watched_device
    where fleet = ${scope.fleet} and device = any(${devices}::text[]) and not closed order by rollout, device for update`.execute(
    tx,
  );
  return rows.map(({ rollout, device, from, settled, until, seen }) => ({
    rollout,
    device,
    seen,
    window: { from, settledAt: settled, until },
  }));
}

export async function saveSeen(tx: Transaction, scope: Scope, watched: readonly WatchedDevice[]): Promise<void> {
  if (watched.length === 0) return;
  const rows = watched.map(({ rollout, device, seen }) => ({ rollout, device, seen }));
  await sql`
    update rollouts.watched_device w set seen = s.seen from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as s (rollout text, device text, seen jsonb)
    where w.fleet = ${scope.fleet} and w.rollout = s.rollout and w.device = s.device`.execute(tx);
}

/** `untouched`: a control counts while the release has not been offered to it. */
export type Member = { device: string; exposed: boolean; untouched: boolean; window: Window; seen: Seen; reachableMs: number };
export type DueSet = { deployment: string; members: Member[] };

/** Sets whose time is over and that nobody has judged, with what was seen. */
export async function dueSets(
  tx: Transaction,
  scope: Scope,
  { rollout, at, limit }: OfRollout & { at: number; limit: number },
): Promise<DueSet[]> {
  const { rows } = await sql<Omit<Member, "window"> & { deployment: string; from: number; settled: number; until: number }>`
    select w.deployment, w.device, w.exposed, w.seen, ${ms("w.from_at")} as from, ${ms("w.settled_at")} as settled, ${ms("w.until_at")} as until,
      d.state in ('queued', 'cancelled') as untouched,
      coalesce((select sum(extract(epoch from upper(r.during * s.window) - lower(r.during * s.window)) * 1000) from registry.reachable_time r
        where r.fleet = w.fleet and r.device = w.device and r.during && s.window), 0)::float8 as "reachableMs"
    from (select deployment from rollouts.matched_set where fleet = ${scope.fleet} and rollout = ${rollout} and judged_at is null and until_at <= ${new Date(at)} order by until_at limit ${limit}) due
    join rollouts.watched_device w on w.fleet = ${scope.fleet} and w.rollout = ${rollout} and w.deployment = due.deployment
    join rollouts.deployment d on d.fleet = w.fleet and d.rollout = w.rollout and d.device = w.device and not d.rollback and not d.retried,
    lateral (select tstzrange(w.from_at, w.until_at) as window) s
    order by w.deployment, w.device`.execute(tx);
  return [...Map.groupBy(rows, ({ deployment }) => deployment)].map(([deployment, of]) => ({
    deployment,
    members: of.map(({ from, settled, until, deployment: _, ...row }) => ({ ...row, window: { from, settledAt: settled, until } })),
  }));
}

export type Comparison = { guard: GuardName; deployment: string; value: number; controlValues: readonly number[] } & Rank;

/** Judging a set twice is judging it once: what was found first stays. */
export async function recordJudgements(
  tx: Transaction,
  scope: Scope,
  { rollout, sets, comparisons, at }: OfRollout & { sets: readonly string[]; comparisons: readonly Comparison[]; at: number },
): Promise<void> {
  if (sets.length === 0) return;
  const rows = comparisons.map(({ guard, deployment, value, controlValues, worse, equal }) => ({
    guard,
    deployment,
    value,
    control_values: controlValues,
    worse,
    equal,
  }));
  await sql`
    insert into rollouts.comparison (fleet, rollout, guard, deployment, at, value, control_values, worse, equal)
    select ${scope.fleet}, ${rollout}, c.guard, c.deployment, ${new Date(at)}, c.value, c.control_values, c.worse, c.equal
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as c (guard text, deployment text, value float8, control_values float8[], worse int, equal int) on conflict do nothing`.execute(
    tx,
  );
  await sql`update rollouts.matched_set set judged_at = ${new Date(at)} where fleet = ${scope.fleet} and rollout = ${rollout} and deployment = any(${sets}::text[])`.execute(
    tx,
  );
  await sql`update rollouts.watched_device set closed = true where fleet = ${scope.fleet} and rollout = ${rollout} and deployment = any(${sets}::text[])`.execute(
    tx,
  );
}

/** The sums that the gate judges, of comparisons made until `until`: a few rows, however many devices were compared. */
export async function guardSums(
  on: Queryable,
  scope: Scope,
  { rollout, until }: OfRollout & { until?: number },
): Promise<GuardSums[]> {
  const before = until === undefined ? sql`true` : sql`at <= ${new Date(until)}`;
  const { rows: counts } = await sql<{ guard: GuardName; controls: number; worse: number; equal: number; devices: number }>`
    select guard, cardinality(control_values) as controls, worse, equal, count(*)::int as devices from rollouts.comparison
    where fleet = ${scope.fleet} and rollout = ${rollout} and ${before} group by 1, 2, 3, 4 order by 1, 2, 3, 4`.execute(on);
  if (counts.length === 0) return [];
  const { rows: medians } = await sql<{ guard: GuardName; exposed: number | null; control: number | null }>`
    select guard, percentile_disc(0.5) within group (order by value) as exposed,
      (select percentile_disc(0.5) within group (order by v) from rollouts.comparison o, unnest(o.control_values) v
        where o.fleet = ${scope.fleet} and o.rollout = ${rollout} and o.guard = c.guard and ${before}) as control
    from rollouts.comparison c where fleet = ${scope.fleet} and rollout = ${rollout} and ${before} group by guard`.execute(on);
  return medians.map(({ guard, exposed, control }) => ({
    guard,
    counts: counts
      .filter((one) => one.guard === guard)
      .map(({ controls, worse, equal, devices }) => [controls, worse, equal, devices]),
    exposedMedian: exposed,
    controlMedian: control,
  }));
}

/** When the next set's time is over. */
export async function nextSetDue(on: Queryable, scope: Scope, rollout: string): Promise<number | undefined> {
  const { rows } = await sql<{ at: number | null }>`
    select ${ms("min(until_at)")} as at from rollouts.matched_set where fleet = ${scope.fleet} and rollout = ${rollout} and judged_at is null`.execute(
    on,
  );
  return rows[0]?.at ?? undefined;
}

/** Every comparison of a rollout with the values that it was made from. */
export async function comparisonsOf(
  on: Queryable,
  scope: Scope,
  rollout: string,
): Promise<(Omit<Comparison, "controls"> & { at: number })[]> {
  const { rows } = await sql<Omit<Comparison, "controls" | "controlValues"> & { at: Date; control_values: number[] }>`
    select guard, deployment, at, value, control_values, worse, equal from rollouts.comparison where fleet = ${scope.fleet} and rollout = ${rollout} order by at, guard, deployment`.execute(
    on,
  );
  return rows.map(({ at, control_values, ...row }) => ({ ...row, at: at.getTime(), controlValues: control_values }));
}
