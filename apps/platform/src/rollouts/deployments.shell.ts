import type { Scope } from "@tenfold/base";
import type { DeploymentReason, DeploymentState, RolloutPhase } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { Target } from "./picture.ts";
import type { Watched } from "./progress.ts";
import type { Proof } from "./proof.ts";
import type { Retry } from "./retries.ts";
import type { Firmware } from "./rollout.ts";

/** What each of these devices was last seen to boot, by a verified boot of an update or of a way back. */
export async function lastProofs(on: Queryable, scope: Scope, devices: readonly string[]): Promise<Map<string, Proof>> {
  const { rows } = await sql<{ device: string; version: string; hash: string; boots: string[]; floor: number | null }>`
    select distinct on (device) device, version, sha256 as hash, case when boot_id is null then boots else boots || boot_id end as boots, case when numbered then seq end as floor
    from rollouts.deployment where fleet = ${scope.fleet} and device = any(${devices}::text[]) and verified_at is not null
    order by device, verified_at desc, id desc`.execute(on);
  return new Map(rows.map(({ device, floor, ...proof }) => [device, { ...proof, ...(floor === null ? {} : { seqFloor: floor }) }]));
}

export type OfferRecord = {
  deployment: string;
  online: boolean;
  /** When its first step must be done, and the whole where that is later. */
  deadlineAt: number;
  finalAt?: number;
  bootId?: string;
  /** The number of the newest heartbeat of that boot. */
  seq?: number;
  /** Older boots, as far as contacts have told. */
  pastBoots?: readonly string[];
  previous?: Firmware;
  previousRelease?: string;
  /** The stepping stone that is offered in place of the release. */
  via?: Target;
  /** It downloads ahead of its window; inside it, it may install too. */
  ahead?: { is: "download" } | { is: "install"; until?: number };
};

/** A time that does not come (ms). */
export const never = Date.UTC(9000, 0, 1);

/** Written before anybody is told. `sent_at` stays empty until somebody was. */
export async function recordOffers(
  tx: Transaction,
  scope: Scope,
  { offers, at }: { offers: readonly OfferRecord[]; at: number },
): Promise<void> {
  if (offers.length === 0) return;
  const when = new Date(at);
  await sql`
    update rollouts.deployment d set state = 'offered', offered_at = ${when}, updated_at = ${when}, deadline_at = to_timestamp(o.deadline / 1000.0), final_at = to_timestamp(o.final / 1000.0), online_at_offer = o.online,
      boot_id = o.boot, seq = o.seq, boots = coalesce((
        select array_agg(distinct boot) from (
          select unnest(e.boots || e.boot_id) as boot from (
            select boots, boot_id from rollouts.deployment e where e.fleet = d.fleet and e.device = d.device and e.id <> d.id and e.offered_at is not null
            order by e.offered_at desc limit 10) e
          union all select jsonb_array_elements_text(o.past)) earlier
        where boot is not null and boot is distinct from o.boot), '{}'),
      seq_floor = (select case when e.numbered then e.seq end from rollouts.deployment e
        where e.fleet = d.fleet and e.device = d.device and e.id <> d.id and e.verified_at is not null order by e.verified_at desc limit 1),
      previous_version = o.version, previous_hash = o.hash, previous_release = o.previous, sent_at = null,
      release = coalesce(o.via, d.release), version = coalesce(o.via_version, d.version), sha256 = coalesce(o.via_sha256, d.sha256),
      ahead = o.ahead, awaits_window = false, go_at = case when o.ahead and o.go then ${when}::timestamptz end, go_until = to_timestamp(o.until / 1000.0),
      look_again_at = case when not o.ahead then d.look_again_at when o.go then to_timestamp(coalesce(o.until, ${never}) / 1000.0) else ${when}::timestamptz end,
      blocked = null, blocked_because = null, blocked_until = null
    from unnest(${offers.map((o) => o.deployment)}::text[], ${offers.map((o) => o.deadlineAt)}::float8[], ${offers.map((o) => o.finalAt ?? o.deadlineAt)}::float8[], ${offers.map((o) => o.online)}::bool[], ${offers.map((o) => o.bootId ?? null)}::text[], ${offers.map((o) => o.seq ?? null)}::bigint[],
                ${offers.map((o) => JSON.stringify(o.pastBoots ?? []))}::jsonb[],
                ${offers.map((o) => o.previous?.version ?? null)}::text[], ${offers.map((o) => o.previous?.hash ?? null)}::text[], ${offers.map((o) => o.previousRelease ?? null)}::text[],
                ${offers.map((o) => o.via?.release ?? null)}::text[], ${offers.map((o) => o.via?.version ?? null)}::text[], ${offers.map((o) => o.via?.sha256 ?? null)}::text[],
                ${offers.map((o) => o.ahead !== undefined)}::bool[], ${offers.map((o) => o.ahead?.is === "install")}::bool[], ${offers.map((o) => (o.ahead?.is === "install" ? (o.ahead.until ?? null) : null))}::float8[])
         as o (id, deadline, final, online, boot, seq, past, version, hash, previous, via, via_version, via_sha256, ahead, go, until)
    where d.fleet = ${scope.fleet} and d.id = o.id and d.waiting`.execute(tx);
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
    update rollouts.deployment d set state = e.state, reason = e.reason, detail = e.detail, retried = e.retried, awaits_window = false, blocked = null, blocked_because = null, blocked_until = null, ended_at = ${when}, updated_at = ${when}
    from unnest(${ends.map((e) => e.deployment)}::text[], ${ends.map((e) => e.to)}::text[], ${ends.map((e) => e.reason)}::text[], ${ends.map((e) => e.detail)}::text[],
                ${ends.map((e) => e.retry !== undefined)}::bool[]) as e (id, state, reason, detail, retried)
    where d.fleet = ${scope.fleet} and d.id = e.id and (d.in_flight or d.waiting)`.execute(tx);
}

export type Current = {
  deployment: string;
  rollout: string;
  rollback: boolean;
  release: string;
  phase: RolloutPhase;
  deadlineAt: number;
  /** It waits for its window with the installation; `go`: it may install now, until then. */
  ahead?: { go?: { until?: number } };
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
    ahead: boolean;
    go_at: Date | null;
    go_until: Date | null;
  }>`
    select d.device, d.id, d.rollout, d.rollback, d.release, r.phase, d.deadline_at, d.ahead, d.go_at, d.go_until from rollouts.deployment d join rollouts.rollout r on r.fleet = d.fleet and r.id = d.rollout
    where d.fleet = ${scope.fleet} and d.device = any(${devices}::text[]) and d.in_flight`.execute(on);
  return new Map(
    rows.map(({ device, id, deadline_at, ahead, go_at, go_until, ...row }) => [
      device,
      {
        ...{ ...row, deployment: id, deadlineAt: deadline_at.getTime() },
        ...(ahead ? { ahead: goOf(go_at, go_until) } : {}),
      },
    ]),
  );
}

export const goOf = (at: Date | null, until: Date | null): { go?: { until?: number } } =>
  at === null ? {} : { go: until === null ? {} : { until: until.getTime() } };

/**
 * Devices that were not told yet, or were told before the rollout last changed its mind, or do not answer: what is decided is sent again
 * until it is answered.
 */
export async function untoldDevices(
  on: Queryable,
  scope: Scope,
  { rollout, limit, againBefore }: { rollout: string; limit: number; againBefore: number },
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
  ahead: boolean;
  awaits_window: boolean;
  go_at: Date | null;
  accepted_at: Date | null;
  downloaded_at: Date | null;
  installing_at: Date | null;
  deadline_at: Date | null;
  final_at: Date | null;
  rebooting_at: Date | null;
  returned_at: Date | null;
  returned_with: "new" | "old" | null;
  returned_boot: string | null;
  reason: DeploymentReason | null;
  log: string[];
};

/**
 * The deployments that messages of these devices may change, locked, always in the same order. One that has ended hears no more of its device once another
 * rollout has offered it the same bytes: that it runs them is that one's doing.
 */
export async function lockWatched(tx: Transaction, scope: Scope, devices: readonly string[]): Promise<Watched[]> {
  const { rows } = await sql<WatchedRow>`
    select id, rollout, device, rollback, attempt, state, version, sha256, boot_id, boots, seq, seq_floor, previous_version, previous_hash, offered_at, ahead, awaits_window, go_at, accepted_at, downloaded_at, installing_at, deadline_at, coalesce(final_at, deadline_at) as final_at, rebooting_at, returned_at, returned_with, returned_boot, reason, log
    from rollouts.deployment d where fleet = ${scope.fleet} and device = any(${devices}::text[]) and watched
      and (in_flight or not exists (select from rollouts.deployment later where later.fleet = d.fleet and later.device = d.device and later.offered_at > d.offered_at and later.sha256 = d.sha256 and later.rollout <> d.rollout))
    order by id for update of d`.execute(tx);
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
    ...(row.ahead ? { ahead: true, awaits: row.awaits_window } : {}),
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
    ...timesOf(row),
    ...(row.returned_at === null ? {} : { returnedAt: row.returned_at.getTime() }),
    ...(row.returned_with === null ? {} : { returnedWith: row.returned_with }),
    ...(row.returned_boot === null ? {} : { returnedBoot: row.returned_boot }),
    ...(row.reason === null ? {} : { reason: row.reason }),
  };
}

const timesOf = (row: WatchedRow): Partial<Watched> => ({
  ...(row.accepted_at === null ? {} : { acceptedAt: row.accepted_at.getTime() }),
  ...(row.go_at === null ? {} : { goAt: row.go_at.getTime() }),
  ...(row.downloaded_at === null ? {} : { downloadedAt: row.downloaded_at.getTime() }),
  ...(row.installing_at === null ? {} : { installingAt: row.installing_at.getTime() }),
  ...(row.deadline_at === null ? {} : { deadlineAt: row.deadline_at.getTime() }),
  ...(row.final_at === null ? {} : { finalAt: row.final_at.getTime() }),
  ...(row.rebooting_at === null ? {} : { rebootingAt: row.rebooting_at.getTime() }),
});

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
    downloaded: date(one.downloadedAt),
    installing: date(one.installingAt),
    deadline: date(one.deadlineAt),
    final: date(one.finalAt),
    awaits: one.awaits ?? false,
    go: date(one.goAt),
    rebooting: date(one.rebootingAt),
    verified: date(one.verifiedAt),
    returned: date(one.returnedAt),
    returned_with: one.returnedWith,
    returned_boot: one.returnedBoot,
    retried: one.retry !== undefined,
    ended: date(one.endedAt),
  }));
  await sql`
    update rollouts.deployment d set state = c.state, reason = c.reason, detail = coalesce(c.detail, d.detail), progress = coalesce(c.progress, d.progress), log = c.log,
      boot_id = c.boot, boots = c.boots, seq = c.seq, numbered = d.numbered or c.numbered, accepted_at = c.accepted, downloaded_at = c.downloaded, installing_at = c.installing, deadline_at = c.deadline, final_at = c.final, awaits_window = c.awaits, go_at = c.go, rebooting_at = c.rebooting, verified_at = coalesce(c.verified, d.verified_at), returned_at = c.returned,
      returned_with = c.returned_with, returned_boot = c.returned_boot, retried = d.retried or c.retried, ended_at = coalesce(c.ended, d.ended_at), updated_at = ${new Date(at)}
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as c (id text, state text, reason text, detail text, progress real, log text[], boot text, boots text[], seq bigint, numbered boolean, accepted timestamptz, downloaded timestamptz, installing timestamptz, deadline timestamptz, final timestamptz, awaits boolean, go timestamptz,
      rebooting timestamptz, verified timestamptz, returned timestamptz, returned_with text, returned_boot text, retried boolean, ended timestamptz)
    where d.fleet = ${scope.fleet} and d.id = c.id`.execute(tx);
}
