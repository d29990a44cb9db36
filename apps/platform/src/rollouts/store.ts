import type { Scope } from "@tenfold/base";
import { parseDuration } from "@tenfold/base";
import type { DeploymentState, RolloutDecision, RolloutPhase, RolloutPlan, StageProgress } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { Place } from "./membership.ts";
import { columnOf, emptyTally, type Rollout, type StageTally, type Tally } from "./rollout.ts";

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
  created_at: Date;
  ended_at: Date | null;
};

const columns = sql.raw(
  "id, release, release_name, release_version, release_sha256, plan, phase, because, since, targets, stage, waived_stage, halted_at, halted_because, created_by, created_at, ended_at",
);

const rolloutOf = (row: Row): StoredRollout => ({
  id: row.id,
  release: { id: row.release, name: row.release_name, version: row.release_version, sha256: row.release_sha256 },
  plan: row.plan,
  phase: row.phase,
  because: row.because,
  since: row.since.getTime(),
  targets: row.targets,
  stage: row.stage,
  ...(row.waived_stage === null ? {} : { waivedStage: row.waived_stage }),
  ...(row.halted_at === null ? {} : { haltedAt: row.halted_at.getTime() }),
  ...(row.halted_because === null ? {} : { haltedBecause: row.halted_because }),
  createdBy: row.created_by,
  createdAt: row.created_at.getTime(),
  ...(row.ended_at === null ? {} : { endedAt: row.ended_at.getTime() }),
});

/** The part that the planner goes by. The plan's durations were read when it was taken in. */
export function engineOf({ id, phase, stage, waivedStage, plan }: StoredRollout): Rollout {
  const { haltAbove, atOnce, onHalt } = plan;
  const times = { deadlineMs: parseDuration(plan.deadline) ?? 0, soakMs: parseDuration(plan.soak) ?? 0 };
  return { id, phase, stage, haltAbove, atOnce, onHalt, ...times, ...(waivedStage === undefined ? {} : { waivedStage }) };
}

export async function findRollout(on: Queryable, scope: Scope, id: string): Promise<StoredRollout | undefined> {
  const { rows } = await sql<Row>`select ${columns} from rollouts.rollout where fleet = ${scope.fleet} and id = ${id}`.execute(on);
  return rows[0] && rolloutOf(rows[0]);
}

/** Holds until the end of the transaction: of two starts that overlap, both would take the devices that both found free. */
export async function lockStarts(tx: Transaction, scope: Scope): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`rollouts.start/${scope.fleet}`}, 0))`.execute(tx);
}

/** Devices that wait for an update or have one on its way, in whatever rollout. */
export async function busyDevices(on: Queryable, scope: Scope): Promise<Set<string>> {
  const { rows } = await sql<{ device: string }>`
    select distinct device from rollouts.deployment where fleet = ${scope.fleet} and (in_flight or state = 'queued')`.execute(on);
  return new Set(rows.map(({ device }) => device));
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

export type NewRollout = Omit<StoredRollout, "phase" | "because" | "since" | "stage"> & {
  because: string;
  idempotencyKey?: string;
};

export async function insertRollout(
  tx: Transaction,
  scope: Scope,
  {
    rollout,
    stages,
    places,
  }: { rollout: NewRollout; stages: { share: number; devices: number }[]; places: (Place & { id: string })[] },
): Promise<void> {
  const { id, release, plan, because, targets, createdBy, createdAt, idempotencyKey } = rollout;
  const at = new Date(createdAt);
  await sql`
    insert into rollouts.rollout (fleet, id, release, release_name, release_version, release_sha256, plan, phase, because, since, targets, created_by, created_at, look_at, idempotency_key)
    values (${scope.fleet}, ${id}, ${release.id}, ${release.name}, ${release.version}, ${release.sha256}, ${JSON.stringify(plan)}::jsonb, 'running', ${because}, ${at}, ${targets},
            ${createdBy}, ${at}, ${at}, ${idempotencyKey ?? null})`.execute(tx);
  await sql`
    insert into rollouts.stage (fleet, rollout, index, share, devices, state)
    select ${scope.fleet}, ${id}, index - 1, share, devices, 'waiting'
    from unnest(${stages.map(({ share }) => share)}::float8[], ${stages.map(({ devices }) => devices)}::int[]) with ordinality as s (share, devices, index)`.execute(
    tx,
  );
  // In parts, so that no statement of a large fleet comes near its deadline.
  for (let i = 0; i < places.length; i += 20_000) await insertPlaces(tx, scope, { rollout, places: places.slice(i, i + 20_000) });
}

async function insertPlaces(
  tx: Transaction,
  scope: Scope,
  { rollout: { id, release, createdAt }, places }: { rollout: NewRollout; places: (Place & { id: string })[] },
): Promise<void> {
  await sql`
    insert into rollouts.deployment (fleet, id, rollout, device, rollback, stage, place, release, version, sha256, state, updated_at)
    select ${scope.fleet}, d.id, ${id}, d.device, false, d.stage, d.place, ${release.id}, ${release.version}, ${release.sha256}, 'queued', ${new Date(createdAt)}
    from unnest(${places.map((place) => place.id)}::text[], ${places.map(({ device }) => device)}::text[], ${places.map(({ stage }) => stage)}::int[],
                ${places.map(({ place }) => place)}::int[]) as d (id, device, stage, place)`.execute(tx);
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

export async function waiveStage(tx: Transaction, scope: Scope, { id, stage }: { id: string; stage: number }): Promise<void> {
  await sql`update rollouts.rollout set waived_stage = ${stage} where fleet = ${scope.fleet} and id = ${id}`.execute(tx);
}

export type StageChange = { rollout: string; index: number; state: StageProgress["state"]; at: number };

/** Beginning a stage makes it the rollout's current one. */
export async function changeStage(tx: Transaction, scope: Scope, { rollout, index, state, at }: StageChange): Promise<void> {
  const when = new Date(at);
  await sql`
    update rollouts.stage set state = ${state}, started_at = ${state === "running" ? sql`${when}` : sql`started_at`}, passed_at = ${state === "passed" ? sql`${when}` : sql`passed_at`}
    where fleet = ${scope.fleet} and rollout = ${rollout} and index = ${index}`.execute(tx);
  if (state === "running")
    await sql`update rollouts.rollout set stage = ${index} where fleet = ${scope.fleet} and id = ${rollout}`.execute(tx);
}

export type StoredStage = {
  index: number;
  share: number;
  devices: number;
  state: StageProgress["state"];
  startedAt?: number;
  passedAt?: number;
};

export async function stagesOf(on: Queryable, scope: Scope, rollouts: readonly string[]): Promise<Map<string, StoredStage[]>> {
  const { rows } = await sql<{
    rollout: string;
    index: number;
    share: number;
    devices: number;
    state: StageProgress["state"];
    started_at: Date | null;
    passed_at: Date | null;
  }>`
    select rollout, index, share, devices, state, started_at, passed_at from rollouts.stage
    where fleet = ${scope.fleet} and rollout = any(${rollouts}::text[]) order by rollout, index`.execute(on);
  return Map.groupBy(
    rows.map((row) => ({
      ...row,
      ...(row.started_at ? { startedAt: row.started_at.getTime() } : {}),
      ...(row.passed_at ? { passedAt: row.passed_at.getTime() } : {}),
    })),
    ({ rollout }) => rollout,
  );
}

export type Count = {
  rollout: string;
  rollback: boolean;
  stage: number;
  state: DeploymentState;
  devices: number;
  lastVerifiedAt?: number;
};

/** How many deployments stand in which state: one row for each rollout, stage and state, however many devices there are. */
export async function countDeployments(on: Queryable, scope: Scope, rollouts: readonly string[]): Promise<Count[]> {
  const { rows } = await sql<{
    rollout: string;
    rollback: boolean;
    stage: number;
    state: DeploymentState;
    devices: number;
    last: Date | null;
  }>`
    select rollout, rollback, stage, state, count(*) as devices, max(verified_at) as last from rollouts.deployment
    where fleet = ${scope.fleet} and rollout = any(${rollouts}::text[]) group by rollout, rollback, stage, state`.execute(on);
  return rows.map(({ last, ...row }) => ({ ...row, ...(last ? { lastVerifiedAt: last.getTime() } : {}) }));
}

/** Adds counts up to what the planner judges. */
export function talliesOf(stages: readonly StoredStage[], counts: readonly Count[]): { stages: StageTally[]; restores: Tally } {
  const tally = (of: readonly Count[]): Tally => {
    const sum = emptyTally();
    for (const { state, devices, lastVerifiedAt } of of) {
      sum.devices += devices;
      sum[columnOf(state)] += devices;
      if (state === "succeeded" && lastVerifiedAt !== undefined)
        sum.lastVerifiedAt = Math.max(sum.lastVerifiedAt ?? 0, lastVerifiedAt);
    }
    return sum;
  };
  return {
    stages: stages.map(({ index, state, startedAt }) => ({
      ...tally(counts.filter((one) => !one.rollback && one.stage === index)),
      index,
      state,
      ...(startedAt === undefined ? {} : { startedAt }),
    })),
    restores: tally(counts.filter((one) => one.rollback)),
  };
}

export type StoredDecision = {
  at: number;
  decision: string;
  because: string;
  stage?: number;
  evidence?: NonNullable<RolloutDecision["evidence"]>;
};

export async function insertDecision(
  tx: Transaction,
  scope: Scope,
  rollout: string,
  { at, decision, because, stage, evidence }: StoredDecision,
): Promise<void> {
  await sql`
    insert into rollouts.decision (fleet, rollout, at, decision, because, stage, evidence)
    values (${scope.fleet}, ${rollout}, ${new Date(at)}, ${decision}, ${because}, ${stage ?? null}, ${evidence ? JSON.stringify(evidence) : null}::jsonb)`.execute(
    tx,
  );
}

/** Oldest first. */
export async function decisionsOf(on: Queryable, scope: Scope, rollout: string): Promise<StoredDecision[]> {
  const { rows } = await sql<{
    at: Date;
    decision: string;
    because: string;
    stage: number | null;
    evidence: NonNullable<RolloutDecision["evidence"]> | null;
  }>`
    select at, decision, because, stage, evidence from rollouts.decision where fleet = ${scope.fleet} and rollout = ${rollout} order by seq limit 1000`.execute(
    on,
  );
  return rows.map(({ at, decision, because, stage, evidence }) => ({
    at: at.getTime(),
    decision,
    because,
    ...(stage === null ? {} : { stage }),
    ...(evidence ? { evidence } : {}),
  }));
}
