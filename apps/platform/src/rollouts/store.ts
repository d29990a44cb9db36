import type { Scope } from "@tenfold/base";
import { type RolloutPhase, type RolloutPlan, rolloutPlan } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";

/** A rollout's row. Times in ms since 1970. */
export type StoredRollout = {
  id: string;
  release: { id: string; name: string; version: string; sha256: string };
  plan: RolloutPlan;
  phase: RolloutPhase;
  because: string;
  since: number;
  targets: number;
  stage: number;
  waivedStage?: number;
  haltedAt?: number;
  haltedBecause?: string;
  createdBy: string;
  /** The id of who started it. */
  author: string;
  weight: number;
  approvalsNeeded: number;
  freezeOverride?: string;
  /** Up to when late joiners have been looked for. */
  joinedAt?: number;
  createdAt: number;
  endedAt?: number;
};

type Row = {
  id: string;
  release: string;
  release_name: string;
  release_version: string;
  release_sha256: string;
  plan: RolloutPlan;
  phase: RolloutPhase;
  because: string;
  since: Date;
  targets: number;
  stage: number;
  waived_stage: number | null;
  halted_at: Date | null;
  halted_because: string | null;
  created_by: string;
  author: string;
  weight: number;
  approvals_needed: number;
  freeze_override: string | null;
  joined_at: Date | null;
  created_at: Date;
  ended_at: Date | null;
};

const columns = sql.raw(
  "id, release, release_name, release_version, release_sha256, plan, phase, because, since, targets, stage, waived_stage, halted_at, halted_because, created_by, author, weight, approvals_needed, freeze_override, joined_at, created_at, ended_at",
);

const rolloutOf = (row: Row): StoredRollout => ({
  id: row.id,
  release: { id: row.release, name: row.release_name, version: row.release_version, sha256: row.release_sha256 },
  // Plans of rollouts that began before a term existed have its default.
  plan: rolloutPlan.parse(row.plan),
  phase: row.phase,
  because: row.because,
  since: row.since.getTime(),
  targets: row.targets,
  stage: row.stage,
  ...(row.waived_stage === null ? {} : { waivedStage: row.waived_stage }),
  ...(row.halted_at === null ? {} : { haltedAt: row.halted_at.getTime() }),
  ...(row.halted_because === null ? {} : { haltedBecause: row.halted_because }),
  createdBy: row.created_by,
  author: row.author,
  weight: row.weight,
  approvalsNeeded: row.approvals_needed,
  ...(row.freeze_override === null ? {} : { freezeOverride: row.freeze_override }),
  ...(row.joined_at === null ? {} : { joinedAt: row.joined_at.getTime() }),
  createdAt: row.created_at.getTime(),
  ...(row.ended_at === null ? {} : { endedAt: row.ended_at.getTime() }),
});

export async function findRollout(on: Queryable, scope: Scope, id: string): Promise<StoredRollout | undefined> {
  const { rows } = await sql<Row>`select ${columns} from rollouts.rollout where fleet = ${scope.fleet} and id = ${id}`.execute(on);
  return rows[0] && rolloutOf(rows[0]);
}

/** Holds until the end of the transaction: of two starts that overlap, both would take the devices that both found free. */
export async function lockStarts(tx: Transaction, scope: Scope): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`rollouts.start/${scope.fleet}`}, 0))`.execute(tx);
}

/** Holds until the end of the transaction: places that rollouts share are counted and taken one rollout at a time. */
export async function lockPlaces(tx: Transaction, scope: Scope): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`rollouts.places/${scope.fleet}`}, 0))`.execute(tx);
}

/** Devices that wait for an update or have one on its way, with the weights of the rollouts that want them. */
export async function busyDevices(
  on: Queryable,
  scope: Scope,
  { except, among }: { except?: string; among?: readonly string[] } = {},
): Promise<Map<string, number[]>> {
  const { rows } = await sql<{ device: string; weights: number[] }>`
    select d.device, array_agg(distinct r.weight) as weights from rollouts.deployment d join rollouts.rollout r on r.fleet = d.fleet and r.id = d.rollout
    where d.fleet = ${scope.fleet} and (d.in_flight or d.waiting) and d.rollout is distinct from ${except ?? null}::text
      and (${among ?? null}::text[] is null or d.device = any(${among ?? null}::text[])) group by d.device`.execute(on);
  return new Map(rows.map(({ device, weights }) => [device, weights]));
}

/**
 * The engine looks at once at rollouts that changed. One that was rolled back opens again when a device comes back from silence with the
 * release that everybody else has left (`strays`).
 */
export async function wakeRollouts(
  tx: Transaction,
  scope: Scope,
  { changed, strays, at }: { changed: readonly string[]; strays: readonly string[]; at: number },
): Promise<void> {
  const when = new Date(at);
  // Locked in one order, so that two batches never wait for each other.
  await sql`select from rollouts.rollout where fleet = ${scope.fleet} and id = any(${changed}::text[]) order by id for update`.execute(
    tx,
  );
  await sql`update rollouts.rollout set look_at = ${when} where fleet = ${scope.fleet} and id = any(${changed}::text[])`.execute(
    tx,
  );
  await sql`
    update rollouts.rollout set phase = 'rolling_back', because = 'A device came back from silence with the release that was rolled back.', since = ${when}, ended_at = null
    where fleet = ${scope.fleet} and id = any(${strays}::text[]) and phase = 'rolled_back'`.execute(tx);
}

export async function findByIdempotencyKey(on: Queryable, scope: Scope, key: string): Promise<StoredRollout | undefined> {
  const { rows } =
    await sql<Row>`select ${columns} from rollouts.rollout where fleet = ${scope.fleet} and idempotency_key = ${key}`.execute(on);
  return rows[0] && rolloutOf(rows[0]);
}

/** The rollout, locked for this transaction; for the loop, which passes over what somebody else is working on. */
export async function lockFree(tx: Transaction, scope: Scope, id: string): Promise<StoredRollout | undefined> {
  const { rows } =
    await sql<Row>`select ${columns} from rollouts.rollout where fleet = ${scope.fleet} and id = ${id} for update skip locked`.execute(
      tx,
    );
  return rows[0] && rolloutOf(rows[0]);
}

/** The rollout, locked for this transaction; for an operator, who waits. */
export async function lockRollout(tx: Transaction, scope: Scope, id: string): Promise<StoredRollout | undefined> {
  const { rows } =
    await sql<Row>`select ${columns} from rollouts.rollout where fleet = ${scope.fleet} and id = ${id} for update`.execute(tx);
  return rows[0] && rolloutOf(rows[0]);
}

/** Newest first, below `before` (an id; ids sort by age). */
export async function pageOfRollouts(
  on: Queryable,
  scope: Scope,
  { limit, before }: { limit: number; before?: string | undefined },
): Promise<StoredRollout[]> {
  const { rows } = await sql<Row>`
    select ${columns} from rollouts.rollout where fleet = ${scope.fleet} and (${before ?? null}::text is null or id < ${before ?? null})
    order by id desc limit ${limit}`.execute(on);
  return rows.map(rolloutOf);
}

/** The last rollout of each of these releases that has had one. */
export async function lastRollouts(
  on: Queryable,
  scope: Scope,
  releases: readonly string[],
): Promise<Map<string, { id: string; phase: RolloutPhase }>> {
  if (releases.length === 0) return new Map();
  const { rows } = await sql<{ release: string; id: string; phase: RolloutPhase }>`
    select distinct on (release) release, id, phase from rollouts.rollout
    where fleet = ${scope.fleet} and release = any(${[...releases]}::text[]) order by release, created_at desc, id desc`.execute(
    on,
  );
  return new Map(rows.map(({ release, ...last }) => [release, last]));
}

/** Rollouts that have not ended, those of most weight first. */
export async function openRollouts(on: Queryable, scope: Scope): Promise<StoredRollout[]> {
  const { rows } = await sql<Row>`
    select ${columns} from rollouts.rollout where fleet = ${scope.fleet} and ended_at is null order by weight desc, id desc limit 50`.execute(
    on,
  );
  return rows.map(rolloutOf);
}

/** Rollouts that are halted or on the way back, or were since `since`. */
export async function haltedSince(on: Queryable, scope: Scope, since: number): Promise<StoredRollout[]> {
  const { rows } = await sql<Row>`
    select ${columns} from rollouts.rollout where fleet = ${scope.fleet} and phase in ('halted', 'rolling_back', 'rolled_back')
      and (ended_at is null or halted_at >= ${new Date(since)}) order by id desc limit 100`.execute(on);
  return rows.map(rolloutOf);
}

/** Which rollouts the loop must look at now, most urgent first. */
export async function dueRollouts(
  on: Queryable,
  { at, limit }: { at: number; limit: number },
): Promise<{ scope: Scope; id: string }[]> {
  const { rows } = await sql<{ fleet: string; id: string }>`
    select fleet, id from rollouts.rollout where ended_at is null and look_at <= ${new Date(at)} order by look_at limit ${limit}`.execute(
    on,
  );
  return rows.map(({ fleet, id }) => ({ scope: { fleet }, id }));
}

export async function lookAt(on: Queryable, scope: Scope, { id, at }: { id: string; at: number }): Promise<void> {
  await sql`update rollouts.rollout set look_at = ${new Date(at)} where fleet = ${scope.fleet} and id = ${id}`.execute(on);
}

export type NewRollout = Omit<StoredRollout, "because" | "since" | "stage"> & {
  because: string;
  idempotencyKey?: string;
};

export async function noteJoined(tx: Transaction, scope: Scope, { id, at }: { id: string; at: number }): Promise<void> {
  await sql`update rollouts.rollout set joined_at = ${new Date(at)} where fleet = ${scope.fleet} and id = ${id}`.execute(tx);
}

export type PhaseChange = { id: string; phase: RolloutPhase; because: string; at: number; halted?: "now"; ended?: "now" | "no" };

/** An empty `because` leaves the sentence that stands. */
export async function changePhase(
  tx: Transaction,
  scope: Scope,
  { id, phase, because, at, halted, ended }: PhaseChange,
): Promise<void> {
  const when = new Date(at);
  await sql`
    update rollouts.rollout set phase = ${phase}, because = case when ${because} = '' then because else ${because} end,
      since = case when phase = ${phase} then since else ${when} end,
      halted_at = ${halted ? sql`${when}` : sql`halted_at`}, halted_because = ${halted ? sql`${because}` : sql`halted_because`},
      ended_at = ${ended === "now" ? sql`${when}` : ended === "no" ? sql`null` : sql`ended_at`},
      look_at = ${when}
    where fleet = ${scope.fleet} and id = ${id}`.execute(tx);
}

export async function writeFreezeOverride(
  tx: Transaction,
  scope: Scope,
  { id, reason, at }: { id: string; reason: string; at: number },
): Promise<void> {
  await sql`update rollouts.rollout set freeze_override = ${reason}, look_at = ${new Date(at)} where fleet = ${scope.fleet} and id = ${id}`.execute(
    tx,
  );
}

export async function waiveStage(tx: Transaction, scope: Scope, { id, stage }: { id: string; stage: number }): Promise<void> {
  await sql`update rollouts.rollout set waived_stage = ${stage} where fleet = ${scope.fleet} and id = ${id}`.execute(tx);
}
