import type { Scope } from "@tenfold/base";
import type { DeploymentState, RolloutPhase, StageProgress } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import { columnOf, emptyTally, type StageTally, type Tally } from "./rollout.ts";
import type { Claim } from "./shares.ts";
import type { StratumTally } from "./strata.ts";

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
    where fleet = ${scope.fleet} and rollout = ${rollout} and not rollback and stage = ${index} and waiting and delay_ms > 0`.execute(
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

/** How many devices each stage has, in order. */
export async function stageSizesOf(on: Queryable, scope: Scope, rollout: string): Promise<number[]> {
  const { rows } = await sql<{ devices: number }>`
    select devices from rollouts.stage where fleet = ${scope.fleet} and rollout = ${rollout} order by index`.execute(on);
  return rows.map(({ devices }) => devices);
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
  // Who waits for its window has no place yet, and wants one.
  const waiting = await sql<{ rollout: string; devices: number }>`
    select d.rollout, count(*)::int as devices from rollouts.deployment d join rollouts.rollout r on r.fleet = d.fleet and r.id = d.rollout
    where d.fleet = ${scope.fleet} and d.rollout = any(${[...claims.keys()]}::text[]) and d.in_flight and d.awaits_window and d.stage <= r.stage group by d.rollout`.execute(
    on,
  );
  for (const { rollout, devices } of waiting.rows) {
    const claim = claims.get(rollout);
    if (claim) claims.set(rollout, { ...claim, inFlight: claim.inFlight - devices, queued: claim.queued + devices });
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
