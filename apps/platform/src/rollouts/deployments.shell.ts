import { minutes, type Scope } from "@tenfold/base";
import type { DeploymentReason, DeploymentState, RolloutPhase } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { Block } from "./conditions.ts";
import type { Overdue, Target, Unrestored } from "./picture.ts";
import type { Watched } from "./progress.ts";
import type { Retry } from "./retries.ts";
import type { Firmware } from "./rollout.ts";

/** How often a device that was silent is brought back anew when it is heard again with the bad release. */
const mostAttempts = 3;

type OfRollout = { rollout: string; limit: number };

/** In flight and past their deadline. What a message is changing right now is passed over: it has just been heard. */
export async function overdueDeployments(
  on: Queryable,
  scope: Scope,
  { rollout, limit, at, lock }: OfRollout & { at: number; lock: "rows" | "none" },
): Promise<Overdue[]> {
  const { rows } = await sql<{
    id: string;
    device: string;
    stage: number;
    rollback: boolean;
    state: DeploymentState;
    online: boolean | null;
    attempt: number;
    offered_at: Date;
    held: boolean;
  }>`
    select id, device, stage, rollback, state, online_at_offer as online, attempt, offered_at, held_because is not null as held from rollouts.deployment
    where fleet = ${scope.fleet} and rollout = ${rollout} and in_flight and deadline_at <= ${new Date(at)}
    order by id limit ${limit} ${lock === "rows" ? sql`for update skip locked` : sql``}`.execute(on);
  return rows.map(({ id, online, offered_at, ...row }) => ({
    ...row,
    deployment: id,
    onlineAtOffer: online === true,
    offeredAt: offered_at.getTime(),
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

/** The next in line whom the loop is to look at: never looked at first, then those whose time has come, in the order of their places. */
export async function queuedDeployments(
  on: Queryable,
  scope: Scope,
  { rollout, limit, line, at, weight }: OfRollout & { line: Line; at: number; weight: number },
): Promise<Queued[]> {
  const which = line.is === "stage" ? sql`not d.rollback and d.stage = ${line.stage}` : sql`d.rollback`;
  const { rows } = await sql<QueuedRow>`
    select d.id, d.device, d.version, d.sha256, busy.rollout as busy_with, rival.rollout as rival, rival.rollback as rival_rollback, rival.weight as rival_weight
    from rollouts.deployment d
    left join lateral (select o.rollout from rollouts.deployment o where o.fleet = d.fleet and o.device = d.device and o.in_flight limit 1) busy on true
    left join lateral (
      select o.rollout, o.rollback, r.weight from rollouts.deployment o join rollouts.rollout r on r.fleet = o.fleet and r.id = o.rollout
      where o.fleet = d.fleet and o.device = d.device and o.state = 'queued' and o.rollout <> d.rollout and not d.rollback
        and ((o.rollback and r.phase = 'rolling_back') or (not o.rollback and r.phase = 'running' and r.weight > ${weight}))
      order by o.rollback desc, r.weight desc, o.rollout limit 1) rival on true
    where d.fleet = ${scope.fleet} and d.rollout = ${rollout} and ${which} and d.state = 'queued' and d.look_again_at <= ${new Date(at)}
    order by d.look_again_at, d.place limit ${limit}`.execute(on);
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
    where d.fleet = ${scope.fleet} and d.id = any(${deployments}::text[]) and d.state = 'queued' and d.look_again_at <= ${new Date(at)}`.execute(
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
    where d.fleet = ${scope.fleet} and d.id = b.id and d.state = 'queued'`.execute(tx);
}

/** Something changed that may have been in the way (a pin, the policy): all who stepped aside are looked at again. */
export async function recheckBlocked(on: Queryable, scope: Scope, at: number): Promise<void> {
  await sql`
    update rollouts.deployment set look_again_at = ${new Date(at)} where fleet = ${scope.fleet} and state = 'queued'
      and blocked in ('pinned', 'excluded', 'outside_window') and look_again_at > ${new Date(at)}`.execute(on);
}

export type RetryRecord = Retry & { id: string; of: string };

/** Another try takes the place of one that failed. Planning twice is planning once. */
export async function insertRetries(
  tx: Transaction,
  scope: Scope,
  { retries, at }: { retries: readonly RetryRecord[]; at: number },
): Promise<void> {
  if (retries.length === 0) return;
  await sql`
    insert into rollouts.deployment (fleet, id, rollout, device, rollback, attempt, stage, place, stratum, release, version, sha256, state, updated_at, look_again_at,
      blocked, blocked_because, blocked_until)
    select d.fleet, r.id, d.rollout, d.device, false, r.attempt, d.stage, d.place, d.stratum, d.release, d.version, d.sha256, 'queued', ${new Date(at)},
      to_timestamp(r.again / 1000.0), 'backing_off', r.because, to_timestamp(r.again / 1000.0)
    from unnest(${retries.map(({ id }) => id)}::text[], ${retries.map(({ of }) => of)}::text[], ${retries.map(({ attempt }) => attempt)}::int[],
                ${retries.map(({ notBefore }) => notBefore)}::float8[], ${retries.map(({ because }) => because)}::text[]) as r (id, of, attempt, again, because)
    join rollouts.deployment d on d.fleet = ${scope.fleet} and d.id = r.of
    on conflict do nothing`.execute(tx);
}

/** When the first of the offers of the last minute is a minute old, and how many they are. */
export async function recentOffers(
  on: Queryable,
  scope: Scope,
  { rollout, since }: { rollout: string; since: number },
): Promise<{ count: number; freeAt: number }> {
  const { rows } = await sql<{ count: number; first: Date | null }>`
    select count(*) as count, min(offered_at) as first from rollouts.deployment
    where fleet = ${scope.fleet} and rollout = ${rollout} and not rollback and offered_at > ${new Date(since)}`.execute(on);
  const [row] = rows;
  return { count: row?.count ?? 0, freeAt: (row?.first?.getTime() ?? since) + minutes(1) };
}

/** Devices that took the release, or came back with it, and have no way back planned; or whose way back ended in silence before they returned. */
export async function unrestoredDeployments(
  on: Queryable,
  scope: Scope,
  { rollout, limit }: OfRollout,
): Promise<(Omit<Unrestored, "previous"> & { previousRelease?: string })[]> {
  const { rows } = await sql<{ id: string; device: string; attempt: number; previous_release: string | null }>`
    select d.id, d.device, coalesce(r.attempt, 0) + 1 as attempt, d.previous_release from rollouts.deployment d
    left join lateral (select attempt, returned_with from rollouts.deployment r
      where r.fleet = d.fleet and r.rollout = d.rollout and r.device = d.device and r.rollback order by attempt desc limit 1) r on true
    where d.fleet = ${scope.fleet} and d.rollout = ${rollout} and not d.rollback and (d.state = 'succeeded' or d.returned_with = 'new')
      and (r.attempt is null or (r.returned_with = 'old' and r.attempt < ${mostAttempts}))
    order by d.place limit ${limit}`.execute(on);
  return rows.map(({ id, device, attempt, previous_release }) => ({
    deployment: id,
    device,
    attempt,
    ...(previous_release === null ? {} : { previousRelease: previous_release }),
  }));
}

export type OfferRecord = {
  deployment: string;
  online: boolean;
  deadlineAt: number;
  bootId?: string;
  previous?: Firmware;
  previousRelease?: string;
};

/** Written before anybody is told. `sent_at` stays empty until somebody was. */
export async function recordOffers(
  tx: Transaction,
  scope: Scope,
  { offers, at }: { offers: readonly OfferRecord[]; at: number },
): Promise<void> {
  if (offers.length === 0) return;
  const when = new Date(at);
  await sql`
    update rollouts.deployment d set state = 'offered', offered_at = ${when}, updated_at = ${when}, deadline_at = to_timestamp(o.deadline / 1000.0), online_at_offer = o.online,
      boot_id = o.boot, boots = coalesce((
        select array_agg(distinct boot) from (
          select unnest(e.boots || e.boot_id) as boot from (
            select boots, boot_id from rollouts.deployment e where e.fleet = d.fleet and e.device = d.device and e.id <> d.id and e.offered_at is not null
            order by e.offered_at desc limit 10) e) earlier
        where boot is not null), '{}'),
      seq_floor = (select case when e.numbered then e.seq end from rollouts.deployment e
        where e.fleet = d.fleet and e.device = d.device and e.id <> d.id and e.verified_at is not null order by e.verified_at desc limit 1),
      previous_version = o.version, previous_hash = o.hash, previous_release = o.previous, sent_at = null,
      blocked = null, blocked_because = null, blocked_until = null
    from unnest(${offers.map((o) => o.deployment)}::text[], ${offers.map((o) => o.deadlineAt)}::float8[], ${offers.map((o) => o.online)}::bool[], ${offers.map((o) => o.bootId ?? null)}::text[],
                ${offers.map((o) => o.previous?.version ?? null)}::text[], ${offers.map((o) => o.previous?.hash ?? null)}::text[], ${offers.map((o) => o.previousRelease ?? null)}::text[])
         as o (id, deadline, online, boot, version, hash, previous)
    where d.fleet = ${scope.fleet} and d.id = o.id and d.state = 'queued'`.execute(tx);
}

export type EndRecord = { deployment: string; to: DeploymentState; reason: DeploymentReason; detail: string; retry?: Retry };

export async function recordEnds(
  tx: Transaction,
  scope: Scope,
  { ends, at }: { ends: readonly EndRecord[]; at: number },
): Promise<void> {
  if (ends.length === 0) return;
  const when = new Date(at);
  await sql`
    update rollouts.deployment d set state = e.state, reason = e.reason, detail = e.detail, retried = e.retried, blocked = null, blocked_because = null, blocked_until = null, ended_at = ${when}, updated_at = ${when}
    from unnest(${ends.map((e) => e.deployment)}::text[], ${ends.map((e) => e.to)}::text[], ${ends.map((e) => e.reason)}::text[], ${ends.map((e) => e.detail)}::text[],
                ${ends.map((e) => e.retry !== undefined)}::bool[]) as e (id, state, reason, detail, retried)
    where d.fleet = ${scope.fleet} and d.id = e.id and (d.in_flight or d.state = 'queued')`.execute(tx);
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
    where fleet = ${scope.fleet} and rollout = ${rollout} and rollback = ${line === "restores"} and state = 'queued'`.execute(tx);
  return Number(result.numAffectedRows ?? 0);
}

export type RestoreRecord = {
  id: string;
  undoes: string;
  attempt: number;
  /** Absent where there is no way back. */
  target?: Target;
  reason?: DeploymentReason;
  detail?: string;
};

/** Plans the way back: queued where there is a release for it, ended as skipped where there is none. Planning twice is planning once. */
export async function insertRestores(
  tx: Transaction,
  scope: Scope,
  { restores, at }: { restores: readonly RestoreRecord[]; at: number },
): Promise<void> {
  if (restores.length === 0) return;
  const when = new Date(at);
  await sql`
    insert into rollouts.deployment (fleet, id, rollout, device, rollback, attempt, stage, place, stratum, release, version, sha256, state, reason, detail, updated_at, ended_at)
    select d.fleet, r.id, d.rollout, d.device, true, r.attempt, d.stage, d.place, d.stratum, r.release, coalesce(r.version, d.previous_version, ''), coalesce(r.sha256, ''),
           case when r.release is null then 'skipped' else 'queued' end, r.reason, r.detail, ${when}, case when r.release is null then ${when}::timestamptz end
    from unnest(${restores.map((r) => r.id)}::text[], ${restores.map((r) => r.undoes)}::text[], ${restores.map((r) => r.attempt)}::int[],
                ${restores.map((r) => r.target?.release ?? null)}::text[], ${restores.map((r) => r.target?.version ?? null)}::text[], ${restores.map((r) => r.target?.sha256 ?? null)}::text[], ${restores.map((r) => r.reason ?? null)}::text[], ${restores.map((r) => r.detail ?? null)}::text[])
         as r (id, undoes, attempt, release, version, sha256, reason, detail)
    join rollouts.deployment d on d.fleet = ${scope.fleet} and d.id = r.undoes
    on conflict do nothing`.execute(tx);
}

export type Current = {
  deployment: string;
  rollout: string;
  rollback: boolean;
  release: string;
  phase: RolloutPhase;
  deadlineAt: number;
};

/** What is in flight on a device: one thing at most. */
export async function currentDeployments(on: Queryable, scope: Scope, devices: readonly string[]): Promise<Map<string, Current>> {
  const { rows } = await sql<{
    device: string;
    id: string;
    rollout: string;
    rollback: boolean;
    release: string;
    phase: RolloutPhase;
    deadline_at: Date;
  }>`
    select d.device, d.id, d.rollout, d.rollback, d.release, r.phase, d.deadline_at from rollouts.deployment d join rollouts.rollout r on r.fleet = d.fleet and r.id = d.rollout
    where d.fleet = ${scope.fleet} and d.device = any(${devices}::text[]) and d.in_flight`.execute(on);
  return new Map(
    rows.map(({ device, id, deadline_at, ...row }) => [device, { ...row, deployment: id, deadlineAt: deadline_at.getTime() }]),
  );
}

/**
 * Devices that were not told yet, or were told before the rollout last changed its mind, or do not answer: what is decided is sent again
 * until it is answered.
 */
export async function untoldDevices(
  on: Queryable,
  scope: Scope,
  { rollout, limit, againBefore }: OfRollout & { againBefore: number },
): Promise<{ deployment: string; device: string }[]> {
  const { rows } = await sql<{ id: string; device: string }>`
    select d.id, d.device from rollouts.deployment d join rollouts.rollout r on r.fleet = d.fleet and r.id = d.rollout
    where d.fleet = ${scope.fleet} and d.rollout = ${rollout} and d.in_flight
      and (d.sent_at is null or (not d.rollback and d.sent_at <= r.halted_at) or (d.state = 'offered' and d.sent_at < ${new Date(againBefore)}))
    order by d.place limit ${limit}`.execute(on);
  return rows.map(({ id, device }) => ({ deployment: id, device }));
}

export async function markTold(
  on: Queryable,
  scope: Scope,
  { deployments, at }: { deployments: readonly string[]; at: number },
): Promise<void> {
  await sql`update rollouts.deployment set sent_at = ${new Date(at)} where fleet = ${scope.fleet} and id = any(${deployments}::text[])`.execute(
    on,
  );
}

type WatchedRow = {
  id: string;
  rollout: string;
  device: string;
  rollback: boolean;
  attempt: number;
  state: DeploymentState;
  version: string;
  sha256: string;
  boot_id: string | null;
  boots: string[];
  seq: number | null;
  seq_floor: number | null;
  previous_version: string | null;
  previous_hash: string | null;
  offered_at: Date;
  accepted_at: Date | null;
  rebooting_at: Date | null;
  reason: DeploymentReason | null;
  log: string[];
};

/** The deployments that messages of these devices may change, locked, always in the same order. */
export async function lockWatched(tx: Transaction, scope: Scope, devices: readonly string[]): Promise<Watched[]> {
  const { rows } = await sql<WatchedRow>`
    select id, rollout, device, rollback, attempt, state, version, sha256, boot_id, boots, seq, seq_floor, previous_version, previous_hash, offered_at, accepted_at, rebooting_at, reason, log
    from rollouts.deployment where fleet = ${scope.fleet} and device = any(${devices}::text[]) and watched order by id for update`.execute(
    tx,
  );
  return rows.map((row) => ({
    id: row.id,
    rollout: row.rollout,
    device: row.device,
    rollback: row.rollback,
    attempt: row.attempt,
    state: row.state,
    version: row.version,
    sha256: row.sha256,
    offeredAt: row.offered_at.getTime(),
    log: row.log,
    boots: row.boots,
    ...knownOf(row),
  }));
}

/** What is known of it only from some point on. */
function knownOf(row: WatchedRow): Partial<Watched> {
  return {
    ...(row.seq === null ? {} : { seq: row.seq }),
    ...(row.seq_floor === null ? {} : { seqFloor: row.seq_floor }),
    ...(row.boot_id === null ? {} : { bootId: row.boot_id }),
    ...(row.previous_version === null
      ? {}
      : { previous: { version: row.previous_version, ...(row.previous_hash === null ? {} : { hash: row.previous_hash }) } }),
    ...(row.accepted_at === null ? {} : { acceptedAt: row.accepted_at.getTime() }),
    ...(row.rebooting_at === null ? {} : { rebootingAt: row.rebooting_at.getTime() }),
    ...(row.reason === null ? {} : { reason: row.reason }),
  };
}

const date = (at: number | undefined): string | undefined => (at === undefined ? undefined : new Date(at).toISOString());

export async function saveWatched(
  tx: Transaction,
  scope: Scope,
  { changed, at }: { changed: readonly Watched[]; at: number },
): Promise<void> {
  if (changed.length === 0) return;
  const rows = changed.map((one) => ({
    id: one.id,
    state: one.state,
    reason: one.reason,
    detail: one.detail,
    progress: one.progress,
    log: one.log,
    boot: one.bootId,
    boots: one.boots,
    seq: one.seq,
    numbered: one.numbered ?? false,
    accepted: date(one.acceptedAt),
    rebooting: date(one.rebootingAt),
    verified: date(one.verifiedAt),
    returned: date(one.returnedAt),
    returned_with: one.returnedWith,
    retried: one.retry !== undefined,
    ended: date(one.endedAt),
  }));
  await sql`
    update rollouts.deployment d set state = c.state, reason = c.reason, detail = coalesce(c.detail, d.detail), progress = coalesce(c.progress, d.progress), log = c.log,
      boot_id = c.boot, boots = c.boots, seq = c.seq, numbered = d.numbered or c.numbered, accepted_at = c.accepted, rebooting_at = c.rebooting, verified_at = coalesce(c.verified, d.verified_at), returned_at = c.returned,
      returned_with = c.returned_with, retried = d.retried or c.retried, ended_at = coalesce(c.ended, d.ended_at), updated_at = ${new Date(at)}
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as c (id text, state text, reason text, detail text, progress real, log text[], boot text, boots text[], seq bigint, numbered boolean, accepted timestamptz,
      rebooting timestamptz, verified timestamptz, returned timestamptz, returned_with text, retried boolean, ended timestamptz)
    where d.fleet = ${scope.fleet} and d.id = c.id`.execute(tx);
}
