import type { Scope } from "@tenfold/base";
import type { DeploymentReason } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { Target, Unrestored } from "./picture.ts";

/** How often a device that was silent is brought back anew when it is heard again with the bad release. */
const mostAttempts = 3;

type OfRollout = { rollout: string; limit: number };

/**
 * Devices that took the release, or came back with it, and have no way back planned; or whose way back ended in silence before they returned.
 * `goodRelease` is the last known good one: what ran before; where that was found bad itself (its last rollout was taken back), what the device
 * was last verified with, or ran before that. Nobody is led away from a release that was rolled out again later, unless that was taken back as well.
 */
export async function unrestoredDeployments(
  on: Queryable,
  scope: Scope,
  { rollout, limit }: OfRollout,
): Promise<(Omit<Unrestored, "previous"> & { goodRelease?: string })[]> {
  const { rows } = await sql<{ id: string; device: string; attempt: number; good: string | null }>`
    with last as (
      select distinct on (release) release, id as rollout, created_at, phase in ('rolling_back', 'rolled_back', 'halted') as taken_back from rollouts.rollout o
      where fleet = ${scope.fleet} and (phase not in ('awaiting_approval', 'cancelled') or exists (select from rollouts.deployment where fleet = o.fleet and rollout = o.id and offered_at is not null))
      order by release, created_at desc, id desc),
    found as (
      select d.fleet, d.id, d.device, d.place, d.release, d.previous_release, d.offered_at, coalesce(r.attempt, 0) + 1 as attempt from rollouts.deployment d
      left join lateral (select attempt, returned_with from rollouts.deployment r
        where r.fleet = d.fleet and r.rollout = d.rollout and r.device = d.device and r.rollback order by attempt desc limit 1) r on true
      where d.fleet = ${scope.fleet} and d.rollout = ${rollout} and not d.rollback and ((d.state = 'succeeded' and not d.retried) or d.returned_with = 'new')
        and (r.attempt is null or (r.returned_with = 'old' and r.attempt < ${mostAttempts}))
        and not exists (select from last where last.release = d.release and last.rollout <> d.rollout and not last.taken_back
          and last.created_at > (select created_at from rollouts.rollout where fleet = ${scope.fleet} and id = ${rollout}))
      order by d.place limit ${limit}),
    taken_back as (select release from last where taken_back)
    select f.id, f.device, f.attempt, good.release as good from found f
    left join lateral (
      select release from (
        select f.previous_release as release, 0 as rank, null::timestamptz as at
        union all select e.release, 1, e.verified_at from rollouts.deployment e where e.fleet = f.fleet and e.device = f.device and e.verified_at < f.offered_at
        union all select e.previous_release, 2, e.offered_at from rollouts.deployment e where e.fleet = f.fleet and e.device = f.device and e.offered_at < f.offered_at) ran
      where release is not null and release <> f.release and not exists (select from taken_back where taken_back.release = ran.release)
      order by rank, at desc, release limit 1) good on true
    order by f.place`.execute(on);
  return rows.map(({ id, device, attempt, good }) => ({
    deployment: id,
    device,
    attempt,
    ...(good === null ? {} : { goodRelease: good }),
  }));
}

/**
 * A release that was rolled out again and is taken back again: devices that an earlier rollout of it would have led back, had there not been this one, are
 * led back now. A rollout that somebody else works on at this moment is passed over; so this is asked at the halt and at the end.
 */
export async function wakeEarlier(tx: Transaction, scope: Scope, { rollout, at }: { rollout: string; at: number }): Promise<void> {
  const when = new Date(at);
  await sql`
    with earlier as (
      select e.id from rollouts.rollout e join rollouts.rollout mine on mine.fleet = e.fleet and mine.id = ${rollout}
      where e.fleet = ${scope.fleet} and e.release = mine.release and e.created_at < mine.created_at and e.phase = 'rolled_back'
        and exists (select from rollouts.deployment d
          left join lateral (select attempt, returned_with from rollouts.deployment r
            where r.fleet = d.fleet and r.rollout = d.rollout and r.device = d.device and r.rollback order by attempt desc limit 1) r on true
          where d.fleet = e.fleet and d.rollout = e.id and not d.rollback and ((d.state = 'succeeded' and not d.retried) or d.returned_with = 'new')
            and (r.attempt is null or (r.returned_with = 'old' and r.attempt < ${mostAttempts})))
      for update of e skip locked)
    update rollouts.rollout set phase = 'rolling_back', because = 'The release was rolled out again and taken back again; who kept it is led back, too.', since = ${when}, look_at = ${when}, ended_at = null
    where fleet = ${scope.fleet} and id in (select id from earlier)`.execute(tx);
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
