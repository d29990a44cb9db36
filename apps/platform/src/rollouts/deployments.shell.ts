import type { Scope } from "@tenfold/base";
import type { DeploymentReason, DeploymentState, RolloutPhase } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { Overdue, Target, Unrestored } from "./plan.ts";
import type { Watched } from "./progress.ts";
import type { Firmware } from "./rollout.ts";

/** How often a device that was silent is brought back anew when it is heard again with the bad release. */
const mostAttempts = 3;

type OfRollout = { rollout: string; limit: number };

/** In flight and past their deadline. What a message is changing right now is passed over: it has just been heard. */
export async function overdueDeployments(
  tx: Transaction,
  scope: Scope,
  { rollout, limit, at }: OfRollout & { at: number },
): Promise<Overdue[]> {
  const { rows } = await sql<{
    id: string;
    device: string;
    stage: number;
    rollback: boolean;
    state: DeploymentState;
    online: boolean | null;
  }>`
    select id, device, stage, rollback, state, online_at_offer as online from rollouts.deployment
    where fleet = ${scope.fleet} and rollout = ${rollout} and in_flight and deadline_at <= ${new Date(at)}
    order by id limit ${limit} for update skip locked`.execute(tx);
  return rows.map(({ id, online, ...row }) => ({ ...row, deployment: id, onlineAtOffer: online === true }));
}

export async function nextDeadline(on: Queryable, scope: Scope, rollout: string): Promise<number | undefined> {
  const { rows } = await sql<{ at: Date | null }>`
    select min(deadline_at) as at from rollouts.deployment where fleet = ${scope.fleet} and rollout = ${rollout} and in_flight`.execute(
    on,
  );
  return rows[0]?.at?.getTime();
}

export type Queued = { deployment: string; device: string; version: string; sha256: string };

/** The next in line, without devices that are busy with another update. */
export async function queuedDeployments(
  on: Queryable,
  scope: Scope,
  { rollout, limit, line }: OfRollout & { line: { is: "stage"; stage: number } | { is: "restores" } },
): Promise<Queued[]> {
  const which = line.is === "stage" ? sql`not d.rollback and d.stage = ${line.stage}` : sql`d.rollback`;
  const { rows } = await sql<{ id: string; device: string; version: string; sha256: string }>`
    select d.id, d.device, d.version, d.sha256 from rollouts.deployment d
    where d.fleet = ${scope.fleet} and d.rollout = ${rollout} and ${which} and d.state = 'queued'
      and not exists (select from rollouts.deployment o where o.fleet = d.fleet and o.device = d.device and o.in_flight)
    order by d.place limit ${limit}`.execute(on);
  return rows.map(({ id, ...row }) => ({ deployment: id, ...row }));
}

/** Which of these still wait, now that the rollout is locked: an operator or another server may have been faster. */
export async function stillQueued(tx: Transaction, scope: Scope, deployments: readonly string[]): Promise<Set<string>> {
  const { rows } = await sql<{ id: string }>`
    select id from rollouts.deployment where fleet = ${scope.fleet} and id = any(${deployments}::text[]) and state = 'queued'`.execute(
    tx,
  );
  return new Set(rows.map(({ id }) => id));
}

/** Devices that took the release, or came back with it, and have no way back planned; or whose way back ended in silence before they returned. */
export async function unrestoredDeployments(
  tx: Transaction,
  scope: Scope,
  { rollout, limit }: OfRollout,
): Promise<(Omit<Unrestored, "previous"> & { previousRelease?: string })[]> {
  const { rows } = await sql<{ id: string; device: string; attempt: number; previous_release: string | null }>`
    select d.id, d.device, coalesce(r.attempt, 0) + 1 as attempt, d.previous_release from rollouts.deployment d
    left join lateral (select attempt, returned_with from rollouts.deployment r
      where r.fleet = d.fleet and r.rollout = d.rollout and r.device = d.device and r.rollback order by attempt desc limit 1) r on true
    where d.fleet = ${scope.fleet} and d.rollout = ${rollout} and not d.rollback and (d.state = 'succeeded' or d.returned_with = 'new')
      and (r.attempt is null or (r.returned_with = 'old' and r.attempt < ${mostAttempts}))
    order by d.place limit ${limit}`.execute(tx);
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
      boot_id = o.boot, previous_version = o.version, previous_hash = o.hash, previous_release = o.previous, sent_at = null
    from unnest(${offers.map((o) => o.deployment)}::text[], ${offers.map((o) => o.deadlineAt)}::float8[], ${offers.map((o) => o.online)}::bool[], ${offers.map((o) => o.bootId ?? null)}::text[],
                ${offers.map((o) => o.previous?.version ?? null)}::text[], ${offers.map((o) => o.previous?.hash ?? null)}::text[], ${offers.map((o) => o.previousRelease ?? null)}::text[])
         as o (id, deadline, online, boot, version, hash, previous)
    where d.fleet = ${scope.fleet} and d.id = o.id and d.state = 'queued'`.execute(tx);
}

export type EndRecord = { deployment: string; to: DeploymentState; reason: DeploymentReason; detail: string };

export async function recordEnds(
  tx: Transaction,
  scope: Scope,
  { ends, at }: { ends: readonly EndRecord[]; at: number },
): Promise<void> {
  if (ends.length === 0) return;
  const when = new Date(at);
  await sql`
    update rollouts.deployment d set state = e.state, reason = e.reason, detail = e.detail, ended_at = ${when}, updated_at = ${when}
    from unnest(${ends.map((e) => e.deployment)}::text[], ${ends.map((e) => e.to)}::text[], ${ends.map((e) => e.reason)}::text[], ${ends.map((e) => e.detail)}::text[]) as e (id, state, reason, detail)
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
    update rollouts.deployment set state = 'cancelled', reason = 'rollout_halted', ended_at = ${when}, updated_at = ${when}
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
    insert into rollouts.deployment (fleet, id, rollout, device, rollback, attempt, stage, place, release, version, sha256, state, reason, detail, updated_at, ended_at)
    select d.fleet, r.id, d.rollout, d.device, true, r.attempt, d.stage, d.place, r.release, coalesce(r.version, d.previous_version, ''), coalesce(r.sha256, ''),
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
  state: DeploymentState;
  version: string;
  sha256: string;
  boot_id: string | null;
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
    select id, rollout, device, rollback, state, version, sha256, boot_id, previous_version, previous_hash, offered_at, accepted_at, rebooting_at, reason, log
    from rollouts.deployment where fleet = ${scope.fleet} and device = any(${devices}::text[]) and watched order by id for update`.execute(
    tx,
  );
  return rows.map((row) => ({
    id: row.id,
    rollout: row.rollout,
    device: row.device,
    rollback: row.rollback,
    state: row.state,
    version: row.version,
    sha256: row.sha256,
    offeredAt: row.offered_at.getTime(),
    log: row.log,
    ...(row.boot_id === null ? {} : { bootId: row.boot_id }),
    ...(row.previous_version === null
      ? {}
      : { previous: { version: row.previous_version, ...(row.previous_hash === null ? {} : { hash: row.previous_hash }) } }),
    ...(row.accepted_at === null ? {} : { acceptedAt: row.accepted_at.getTime() }),
    ...(row.rebooting_at === null ? {} : { rebootingAt: row.rebooting_at.getTime() }),
    ...(row.reason === null ? {} : { reason: row.reason }),
  }));
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
    accepted: date(one.acceptedAt),
    rebooting: date(one.rebootingAt),
    verified: date(one.verifiedAt),
    returned: date(one.returnedAt),
    returned_with: one.returnedWith,
    ended: date(one.endedAt),
  }));
  await sql`
    update rollouts.deployment d set state = c.state, reason = c.reason, detail = coalesce(c.detail, d.detail), progress = coalesce(c.progress, d.progress), log = c.log,
      boot_id = c.boot, accepted_at = c.accepted, rebooting_at = c.rebooting, verified_at = coalesce(c.verified, d.verified_at), returned_at = c.returned,
      returned_with = c.returned_with, ended_at = coalesce(c.ended, d.ended_at), updated_at = ${new Date(at)}
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as c (id text, state text, reason text, detail text, progress real, log text[], boot text, accepted timestamptz,
      rebooting timestamptz, verified timestamptz, returned timestamptz, returned_with text, ended timestamptz)
    where d.fleet = ${scope.fleet} and d.id = c.id`.execute(tx);
}
