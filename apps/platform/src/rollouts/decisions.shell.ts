import type { Scope } from "@tenfold/base";
import type { RolloutDecision } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";

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
