import type { Scope } from "@tenfold/base";
import {
  type DeploymentState,
  type RolloutDecision,
  type RolloutPhase,
  type RolloutPlan,
  rolloutPlan,
  type StageProgress,
} from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { Place } from "./membership.ts";
import { columnOf, emptyTally, type StageTally, type Tally } from "./rollout.ts";
import type { Claim } from "./shares.ts";
import type { StratumTally } from "./strata.ts";

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
    where d.fleet = ${scope.fleet} and (d.in_flight or d.state = 'queued') and d.rollout is distinct from ${except ?? null}::text
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

/** A place with the deployment's id, and how much later than its stage begins it may be offered. */
export type NewPlace = Place & { id: string; delayMs: number };

export async function insertRollout(
  tx: Transaction,
  scope: Scope,
  { rollout, stages, places }: { rollout: NewRollout; stages: { share: number; devices: number }[]; places: NewPlace[] },
): Promise<void> {
  const { id, release, plan, phase, because, targets, createdBy, author, weight, approvalsNeeded, createdAt, idempotencyKey } =
    rollout;
  const at = new Date(createdAt);
  await sql`
    insert into rollouts.rollout (fleet, id, release, release_name, release_version, release_sha256, plan, phase, because, since, targets, created_by, author, weight, approvals_needed,
      created_at, joined_at, look_at, idempotency_key)
    values (${scope.fleet}, ${id}, ${release.id}, ${release.name}, ${release.version}, ${release.sha256}, ${JSON.stringify(plan)}::jsonb, ${phase}, ${because}, ${at}, ${targets},
            ${createdBy}, ${author}, ${weight}, ${approvalsNeeded}, ${at}, ${at}, ${at}, ${idempotencyKey ?? null})`.execute(tx);
  await sql`
    insert into rollouts.stage (fleet, rollout, index, share, devices, state)
    select ${scope.fleet}, ${id}, index - 1, share, devices, 'waiting'
    from unnest(${stages.map(({ share }) => share)}::float8[], ${stages.map(({ devices }) => devices)}::int[]) with ordinality as s (share, devices, index)`.execute(
    tx,
  );
  // In parts, so that no statement of a large fleet comes near its deadline.
  for (let i = 0; i < places.length; i += 5_000) await insertPlaces(tx, scope, { rollout, places: places.slice(i, i + 5_000) });
  // The loop asks at once, and a planner that thinks the table empty would go through all of it for each device.
  if (places.length >= 1_000) await sql`analyze rollouts.deployment`.execute(tx);
}

async function insertPlaces(
  tx: Transaction,
  scope: Scope,
  {
    rollout: { id, release, createdAt },
    places,
  }: { rollout: Pick<NewRollout, "id" | "release" | "createdAt">; places: NewPlace[] },
): Promise<void> {
  await sql`
    insert into rollouts.deployment (fleet, id, rollout, device, rollback, stage, place, stratum, delay_ms, release, version, sha256, state, updated_at)
    select ${scope.fleet}, d.id, ${id}, d.device, false, d.stage, d.place, d.stratum, d.delay, ${release.id}, ${release.version}, ${release.sha256}, 'queued', ${new Date(createdAt)}
    from unnest(${places.map((place) => place.id)}::text[], ${places.map(({ device }) => device)}::text[], ${places.map(({ stage }) => stage)}::int[],
                ${places.map(({ place }) => place)}::int[], ${places.map(({ stratum }) => stratum)}::text[], ${places.map(({ delayMs }) => delayMs)}::int[])
         as d (id, device, stage, place, stratum, delay)
    on conflict do nothing`.execute(tx);
}

/** Devices that join a rollout that goes on, at the end of the line of a stage. */
export async function addTargets(
  tx: Transaction,
  scope: Scope,
  {
    rollout,
    stage,
    members,
    at,
  }: { rollout: StoredRollout; stage: number; members: readonly Omit<NewPlace, "stage" | "place">[]; at: number },
): Promise<void> {
  const { rows } = await sql<{ last: number | null }>`
    select max(place) as last from rollouts.deployment where fleet = ${scope.fleet} and rollout = ${rollout.id} and not rollback`.execute(
    tx,
  );
  const first = (rows[0]?.last ?? -1) + 1;
  const places = members.map((member, i) => ({ ...member, stage, place: first + i }));
  await insertPlaces(tx, scope, { rollout: { ...rollout, createdAt: at }, places });
  await sql`update rollouts.stage set devices = devices + ${members.length} where fleet = ${scope.fleet} and rollout = ${rollout.id} and index = ${stage}`.execute(
    tx,
  );
  await sql`update rollouts.rollout set targets = targets + ${members.length} where fleet = ${scope.fleet} and id = ${rollout.id}`.execute(
    tx,
  );
}

/** Which of these devices the rollout has a place for already. */
export async function membersAmong(
  on: Queryable,
  scope: Scope,
  { rollout, devices }: { rollout: string; devices: readonly string[] },
): Promise<Set<string>> {
  const { rows } = await sql<{ device: string }>`
    select device from rollouts.deployment where fleet = ${scope.fleet} and rollout = ${rollout} and device = any(${devices}::text[]) and not rollback`.execute(
    on,
  );
  return new Set(rows.map(({ device }) => device));
}

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

export type StageChange = { rollout: string; index: number; state: StageProgress["state"]; at: number };

/** Beginning a stage makes it the rollout's current one. */
export async function changeStage(tx: Transaction, scope: Scope, { rollout, index, state, at }: StageChange): Promise<void> {
  const when = new Date(at);
  await sql`
    update rollouts.stage set state = ${state}, started_at = ${state === "running" ? sql`${when}` : sql`started_at`}, passed_at = ${state === "passed" ? sql`${when}` : sql`passed_at`}
    where fleet = ${scope.fleet} and rollout = ${rollout} and index = ${index}`.execute(tx);
  if (state !== "running") return;
  await sql`update rollouts.rollout set stage = ${index} where fleet = ${scope.fleet} and id = ${rollout}`.execute(tx);
  await sql`
    update rollouts.deployment set look_again_at = ${when}::timestamptz + delay_ms * interval '1 millisecond', blocked = 'jitter', blocked_because = 'Its turn in the stage''s spread has not come.',
      blocked_until = ${when}::timestamptz + delay_ms * interval '1 millisecond'
    where fleet = ${scope.fleet} and rollout = ${rollout} and not rollback and stage = ${index} and state = 'queued' and delay_ms > 0`.execute(
    tx,
  );
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
  const { rows } = await sql<Omit<Count, "lastVerifiedAt"> & { last: Date | null }>`
    select rollout, rollback, stage, state, sum(devices) as devices, max(last_verified_at) as last from rollouts.tally
    where fleet = ${scope.fleet} and rollout = any(${rollouts}::text[]) and devices > 0 group by rollout, rollback, stage, state`.execute(
    on,
  );
  return rows.map(({ last, devices, ...row }) => ({
    ...row,
    devices: Number(devices),
    ...(last ? { lastVerifiedAt: last.getTime() } : {}),
  }));
}

/** The same for each stratum of the updates, of all stages or of one. */
export async function countStrata(
  on: Queryable,
  scope: Scope,
  { rollout, stage }: { rollout: string; stage?: number },
): Promise<StratumTally[]> {
  const { rows } = await sql<{ stratum: string; state: DeploymentState; devices: number }>`
    select stratum, state, sum(devices) as devices from rollouts.tally
    where fleet = ${scope.fleet} and rollout = ${rollout} and not rollback and stratum <> '' and devices > 0 and (${stage ?? null}::int is null or stage = ${stage ?? null})
    group by stratum, state order by stratum`.execute(on);
  return [...Map.groupBy(rows, ({ stratum }) => stratum)].map(([stratum, of]) => {
    const tally = emptyTally();
    for (const { state, devices } of of) {
      tally.devices += Number(devices);
      tally[columnOf(state)] += Number(devices);
    }
    return { ...tally, stratum };
  });
}

/** What every open rollout of the fleet has on its way and would still take. Rollbacks count as on their way, and claim no place. */
export async function claimsOf(on: Queryable, scope: Scope): Promise<Claim[]> {
  const { rows } = await sql<{
    rollout: string;
    weight: number;
    phase: RolloutPhase;
    rollback: boolean;
    state: DeploymentState;
    devices: number;
  }>`
    select t.rollout, r.weight, r.phase, t.rollback, t.state, sum(t.devices) as devices
    from rollouts.rollout r join rollouts.tally t on t.fleet = r.fleet and t.rollout = r.id
    where r.fleet = ${scope.fleet} and r.ended_at is null and t.devices > 0 and (t.rollback or t.stage <= r.stage)
      and t.state in ('queued', 'offered', 'downloading', 'downloaded', 'verified', 'installing', 'rebooting', 'validating')
    group by 1, 2, 3, 4, 5`.execute(on);
  const claims = new Map<string, Claim>();
  for (const { rollout, weight, phase, rollback, state, devices } of rows) {
    const claim = claims.get(rollout) ?? { rollout, weight, inFlight: 0, queued: 0 };
    if (state !== "queued") claim.inFlight += Number(devices);
    else if (!rollback && phase === "running") claim.queued += Number(devices);
    claims.set(rollout, claim);
  }
  return [...claims.values()];
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

/** How many devices each stage has, in order. */
export async function stageSizesOf(on: Queryable, scope: Scope, rollout: string): Promise<number[]> {
  const { rows } = await sql<{ devices: number }>`
    select devices from rollouts.stage where fleet = ${scope.fleet} and rollout = ${rollout} order by index`.execute(on);
  return rows.map(({ devices }) => devices);
}

/** What the engine saw when it decided, and what it decided. */
export type Pass = { at: number; saw: object; steps: readonly object[] };

export async function insertPass(tx: Transaction, scope: Scope, rollout: string, { at, saw, steps }: Pass): Promise<void> {
  await sql`
    insert into rollouts.pass (fleet, rollout, at, saw, steps)
    values (${scope.fleet}, ${rollout}, ${new Date(at)}, ${JSON.stringify(saw)}::jsonb, ${JSON.stringify(steps)}::jsonb)`.execute(
    tx,
  );
}

/** Oldest first, above `after` (a `seq`). */
export async function pageOfPasses(
  on: Queryable,
  scope: Scope,
  { rollout, after, limit }: { rollout: string; after: number; limit: number },
): Promise<(Pass & { seq: number })[]> {
  const { rows } = await sql<{ seq: number; at: Date; saw: object; steps: object[] }>`
    select seq, at, saw, steps from rollouts.pass where fleet = ${scope.fleet} and rollout = ${rollout} and seq > ${after} order by seq limit ${limit}`.execute(
    on,
  );
  return rows.map(({ at, ...row }) => ({ ...row, at: at.getTime() }));
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
