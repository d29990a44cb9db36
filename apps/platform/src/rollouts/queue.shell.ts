import { minutes, type Scope } from "@tenfold/base";
import type { DeploymentState } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { Block } from "./conditions.ts";
import type { Overdue } from "./picture.ts";
import type { Retry } from "./retries.ts";

type OfRollout = { rollout: string; limit: number };

/** In flight and past their deadline. What a message is changing right now is passed over: it has just been heard. */
export async function overdueDeployments(
  on: Queryable,
  scope: Scope,
  { rollout, limit, at, lock }: OfRollout & { at: number; lock: "rows" | "none" },
): Promise<(Overdue & { stepSince: number })[]> {
  const { rows } = await sql<{
    id: string;
    device: string;
    stage: number;
    rollback: boolean;
    state: DeploymentState;
    online: boolean | null;
    attempt: number;
    offered_at: Date;
    step_since: Date;
    ahead: boolean;
    awaits_window: boolean;
    go_at: Date | null;
    go_until: Date | null;
    held: boolean;
  }>`
    select id, device, stage, rollback, state, online_at_offer as online, attempt, offered_at, coalesce(rebooting_at, greatest(downloaded_at, go_at), accepted_at, offered_at) as step_since, ahead, awaits_window, go_at, go_until, held_because is not null as held from rollouts.deployment
    where fleet = ${scope.fleet} and rollout = ${rollout} and in_flight and deadline_at <= ${new Date(at)}
    order by id limit ${limit} ${lock === "rows" ? sql`for update skip locked` : sql``}`.execute(on);
  return rows.map(({ id, online, offered_at, step_since, ahead, awaits_window, go_at, go_until, ...row }) => ({
    ...row,
    deployment: id,
    onlineAtOffer: online === true,
    offeredAt: offered_at.getTime(),
    stepSince: step_since.getTime(),
    ...(ahead ? { ahead } : {}),
    ...(awaits_window ? { awaits: true as const } : {}),
    ...(go_at === null ? {} : { goAt: go_at.getTime() }),
    ...(go_until === null ? {} : { goUntil: go_until.getTime() }),
  }));
}

export async function nextDeadline(on: Queryable, scope: Scope, rollout: string): Promise<number | undefined> {
  const { rows } = await sql<{ at: Date | null }>`
    select min(deadline_at) as at from rollouts.deployment where fleet = ${scope.fleet} and rollout = ${rollout} and in_flight`.execute(
    on,
  );
  return rows[0]?.at?.getTime();
}

/** A deployment in the line, and who else wants its device. Times in ms. */
export type Queued = {
  deployment: string;
  device: string;
  version: string;
  sha256: string;
  /** A rollout that has an update on its way on the device. */
  busyWith?: string;
  /** A rollout that goes before this one on the device: a way back, or one of more weight. */
  yieldsTo?: { rollout: string; rollback: boolean; weight: number };
};

export type Line = { is: "stage"; stage: number } | { is: "restores" };

type QueuedRow = {
  id: string;
  device: string;
  version: string;
  sha256: string;
  busy_with: string | null;
  rival: string | null;
  rival_rollback: boolean | null;
  rival_weight: number | null;
};

/**
 * The next in line whom the loop is to look at: never looked at first, then those whose time has come, in the order of their places.
 * Nobody yields to a rollout of `except`: those wait for this one. A way back yields only to another one that leads to what it is there to undo: that one was planned while its target was still good.
 */
export async function queuedDeployments(
  on: Queryable,
  scope: Scope,
  { rollout, limit, line, at, weight, except }: OfRollout & { line: Line; at: number; weight: number; except: readonly string[] },
): Promise<Queued[]> {
  const which = line.is === "stage" ? sql`not d.rollback and d.stage = ${line.stage}` : sql`d.rollback`;
  // Who is busy is asked for the whole line at once: where the planner knows nothing of the index, that is one walk through all on their way
  // and not one for each device.
  const { rows } = await sql<QueuedRow>`
    with line as materialized (
      select d.fleet, d.id, d.device, d.rollout, d.rollback, d.version, d.sha256, d.look_again_at, d.place from rollouts.deployment d
      where d.fleet = ${scope.fleet} and d.rollout = ${rollout} and ${which} and d.waiting and d.look_again_at <= ${new Date(at)}
      order by d.look_again_at, d.place limit ${limit}),
    busy as materialized (
      select o.device, min(o.rollout) as rollout from rollouts.deployment o
      where o.fleet = ${scope.fleet} and o.in_flight and o.device = any(array(select device from line)) group by o.device)
    select d.id, d.device, d.version, d.sha256, busy.rollout as busy_with, rival.rollout as rival, rival.rollback as rival_rollback, rival.weight as rival_weight
    from line d left join busy on busy.device = d.device
    cross join (select release_sha256 as sha256 from rollouts.rollout where fleet = ${scope.fleet} and id = ${rollout}) undone
    left join lateral (
      select o.rollout, o.rollback, r.weight from rollouts.deployment o join rollouts.rollout r on r.fleet = o.fleet and r.id = o.rollout
      where o.fleet = d.fleet and o.device = d.device and o.waiting and o.rollout <> d.rollout
        and case when d.rollback then o.rollback and r.phase = 'rolling_back' and o.sha256 = undone.sha256 and r.release_sha256 <> d.sha256
          else (o.rollback and r.phase = 'rolling_back') or (not o.rollback and r.phase = 'running' and r.weight > ${weight} and r.id <> all(${[...except]}::text[])) end
      order by o.rollback desc, r.weight desc, o.rollout limit 1) rival on true
    order by d.look_again_at, d.place`.execute(on);
  return rows.map(({ id, device, version, sha256, busy_with, rival, rival_rollback, rival_weight }) => ({
    ...{ deployment: id, device, version, sha256 },
    ...(busy_with === null ? {} : { busyWith: busy_with }),
    ...(rival === null ? {} : { yieldsTo: { rollout: rival, rollback: rival_rollback === true, weight: rival_weight ?? 0 } }),
  }));
}

/** Which of these still wait and may have their turn, now that the rollout is locked: an operator or another server may have been faster. */
export async function stillQueued(
  on: Queryable,
  scope: Scope,
  { deployments, at }: { deployments: readonly string[]; at: number },
): Promise<Set<string>> {
  const { rows } = await sql<{ id: string }>`
    select d.id from rollouts.deployment d
    where d.fleet = ${scope.fleet} and d.id = any(${deployments}::text[]) and d.waiting and d.look_again_at <= ${new Date(at)}`.execute(
    on,
  );
  return new Set(rows.map(({ id }) => id));
}

export type BlockRecord = { deployment: string; block: Block; lookAgainAt: number };

/** Whoever is blocked steps aside, with the reason, until it is looked at again. */
export async function recordBlocks(tx: Transaction, scope: Scope, blocks: readonly BlockRecord[]): Promise<void> {
  if (blocks.length === 0) return;
  await sql`
    update rollouts.deployment d set blocked = b.code, blocked_because = b.because, blocked_until = to_timestamp(b.until / 1000.0), look_again_at = to_timestamp(b.again / 1000.0)
    from unnest(${blocks.map(({ deployment }) => deployment)}::text[], ${blocks.map(({ block }) => block.code)}::text[], ${blocks.map(({ block }) => block.because)}::text[],
                ${blocks.map(({ block }) => block.until ?? null)}::float8[], ${blocks.map(({ lookAgainAt }) => lookAgainAt)}::float8[]) as b (id, code, because, until, again)
    where d.fleet = ${scope.fleet} and d.id = b.id and (d.waiting or (d.in_flight and d.ahead))`.execute(tx);
}

/** Something changed that may have been in the way (a pin, the policy): all who stepped aside are looked at again. */
export async function recheckBlocked(on: Queryable, scope: Scope, at: number): Promise<void> {
  await sql`
    update rollouts.deployment set look_again_at = ${new Date(at)} where fleet = ${scope.fleet} and (waiting or (in_flight and ahead))
      and blocked in ('pinned', 'excluded', 'outside_window') and look_again_at > ${new Date(at)}`.execute(on);
}

export type RetryRecord = Retry & { id: string; of: string };

/**
 * Another try takes the place of one that failed, or of a stone that was booted: for the rollout's release. What follows a stone in a rollout
 * that has been halted is cancelled as it is written. Planning twice is planning once.
 */
export async function insertRetries(
  tx: Transaction,
  scope: Scope,
  { retries, at }: { retries: readonly RetryRecord[]; at: number },
): Promise<void> {
  if (retries.length === 0) return;
  await sql`
    insert into rollouts.deployment (fleet, id, rollout, device, rollback, attempt, stage, place, stratum, release, version, sha256, state, updated_at, look_again_at,
      blocked, blocked_because, blocked_until, reason, ended_at)
    select d.fleet, r.id, d.rollout, d.device, false, r.attempt, d.stage, d.place, d.stratum, o.release, o.release_version, o.release_sha256,
      case when r.halted then 'cancelled' else 'queued' end, ${new Date(at)}, to_timestamp(r.again / 1000.0),
      case when not r.halted then 'backing_off' end, case when not r.halted then r.because end, case when not r.halted then to_timestamp(r.again / 1000.0) end,
      case when r.halted then 'rollout_halted' end, case when r.halted then ${new Date(at)}::timestamptz end
    from unnest(${retries.map(({ id }) => id)}::text[], ${retries.map(({ of }) => of)}::text[], ${retries.map(({ attempt }) => attempt)}::int[],
                ${retries.map(({ notBefore }) => notBefore)}::float8[], ${retries.map(({ because }) => because)}::text[],
                ${retries.map(({ halted }) => halted === true)}::bool[]) as r (id, of, attempt, again, because, halted)
    join rollouts.deployment d on d.fleet = ${scope.fleet} and d.id = r.of
    join rollouts.rollout o on o.fleet = d.fleet and o.id = d.rollout
    on conflict do nothing`.execute(tx);
}

/** Offers, and installations that were allowed later. When the first of the offers of the last minute is a minute old, and how many they are. */
export async function recentOffers(
  on: Queryable,
  scope: Scope,
  { rollout, since }: { rollout: string; since: number },
): Promise<{ count: number; freeAt: number }> {
  const { rows } = await sql<{ count: number; first: Date | null }>`
    select count(*) as count, min(at) as first from (
      select offered_at as at from rollouts.deployment
      where fleet = ${scope.fleet} and rollout = ${rollout} and not rollback and offered_at > ${new Date(since)}
      union all select go_at from rollouts.deployment
      where fleet = ${scope.fleet} and rollout = ${rollout} and go_at > ${new Date(since)} and go_at > offered_at) recent`.execute(
    on,
  );
  const [row] = rows;
  return { count: row?.count ?? 0, freeAt: (row?.first?.getTime() ?? since) + minutes(1) };
}

/** Nothing more is offered. Returns how many were waiting. */
export async function cancelQueued(
  tx: Transaction,
  scope: Scope,
  { rollout, at, line }: { rollout: string; at: number; line: "updates" | "restores" },
): Promise<number> {
  const when = new Date(at);
  const result = await sql`
    update rollouts.deployment set state = 'cancelled', reason = 'rollout_halted', blocked = null, blocked_because = null, blocked_until = null, ended_at = ${when}, updated_at = ${when}
    where fleet = ${scope.fleet} and rollout = ${rollout} and rollback = ${line === "restores"} and waiting`.execute(tx);
  return Number(result.numAffectedRows ?? 0);
}
