import type { Scope } from "@tenfold/base";
import {
  type Freeze,
  type PlanTemplate,
  type RolloutPolicy,
  rolloutPolicy,
  type StoredPlan,
  type UpdatePin,
} from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { Approval } from "./approvals.ts";
import type { FreezePeriod } from "./picture.ts";

/** What binds every rollout of the fleet; nothing where nobody said so. */
export async function policyOf(on: Queryable, scope: Scope): Promise<RolloutPolicy> {
  const { rows } = await sql<{ document: unknown }>`select document from rollouts.policy where fleet = ${scope.fleet}`.execute(on);
  return rolloutPolicy.parse(rows[0]?.document ?? {});
}

export async function writePolicy(
  tx: Transaction,
  scope: Scope,
  { policy, by, at }: { policy: RolloutPolicy; by: string; at: number },
): Promise<void> {
  await sql`
    insert into rollouts.policy (fleet, document, updated_by, updated_at) values (${scope.fleet}, ${JSON.stringify(policy)}::jsonb, ${by}, ${new Date(at)})
    on conflict (fleet) do update set document = excluded.document, updated_by = excluded.updated_by, updated_at = excluded.updated_at`.execute(
    tx,
  );
}

/** Freezes that hold at `at` or will, soonest first. */
export async function freezesFrom(on: Queryable, scope: Scope, at: number): Promise<FreezePeriod[]> {
  const { rows } = await sql<{ from_at: Date; to_at: Date; reason: string }>`
    select from_at, to_at, reason from rollouts.freeze
    where fleet = ${scope.fleet} and removed_at is null and to_at > ${new Date(at)} order by from_at limit 100`.execute(on);
  return rows.map(({ from_at, to_at, reason }) => ({ from: from_at.getTime(), to: to_at.getTime(), reason }));
}

type FreezeRow = {
  id: string;
  from_at: Date;
  to_at: Date;
  reason: string;
  created_by: string;
  created_at: Date;
  removed_at: Date | null;
};

const freezeOf = (row: FreezeRow): Freeze => ({
  id: row.id,
  from: row.from_at.toISOString(),
  to: row.to_at.toISOString(),
  reason: row.reason,
  createdBy: row.created_by,
  createdAt: row.created_at.toISOString(),
  ...(row.removed_at ? { removedAt: row.removed_at.toISOString() } : {}),
});

export async function listFreezes(on: Queryable, scope: Scope): Promise<Freeze[]> {
  const { rows } = await sql<FreezeRow>`
    select id, from_at, to_at, reason, created_by, created_at, removed_at from rollouts.freeze where fleet = ${scope.fleet} order by from_at desc limit 500`.execute(
    on,
  );
  return rows.map(freezeOf);
}

export async function insertFreeze(tx: Transaction, scope: Scope, freeze: Freeze): Promise<void> {
  await sql`
    insert into rollouts.freeze (fleet, id, from_at, to_at, reason, created_by, created_at)
    values (${scope.fleet}, ${freeze.id}, ${freeze.from}, ${freeze.to}, ${freeze.reason}, ${freeze.createdBy}, ${freeze.createdAt})`.execute(
    tx,
  );
}

/** The freeze as it is now, or undefined where there is none of that id. Removing it twice is removing it once. */
export async function removeFreeze(
  tx: Transaction,
  scope: Scope,
  { id, at }: { id: string; at: number },
): Promise<Freeze | undefined> {
  const { rows } = await sql<FreezeRow>`
    update rollouts.freeze set removed_at = coalesce(removed_at, ${new Date(at)}) where fleet = ${scope.fleet} and id = ${id}
    returning id, from_at, to_at, reason, created_by, created_at, removed_at`.execute(tx);
  return rows[0] && freezeOf(rows[0]);
}

type PinRow = {
  id: string;
  filter: string;
  version: string | null;
  reason: string;
  expires_at: Date | null;
  created_by: string;
  created_at: Date;
  lifted_at: Date | null;
  lifted_by: string | null;
};
const pinColumns = sql.raw("id, filter, version, reason, expires_at, created_by, created_at, lifted_at, lifted_by");

const pinOf = (row: PinRow): UpdatePin => ({
  id: row.id,
  filter: row.filter,
  reason: row.reason,
  createdBy: row.created_by,
  createdAt: row.created_at.toISOString(),
  ...(row.version === null ? {} : { version: row.version }),
  ...(row.expires_at ? { expiresAt: row.expires_at.toISOString() } : {}),
  ...(row.lifted_at ? { liftedAt: row.lifted_at.toISOString() } : {}),
  ...(row.lifted_by === null ? {} : { liftedBy: row.lifted_by }),
});

/** Pins and exclusions that hold at `at`. */
export async function pinsAt(on: Queryable, scope: Scope, at: number): Promise<UpdatePin[]> {
  const { rows } = await sql<PinRow>`
    select ${pinColumns} from rollouts.pin where fleet = ${scope.fleet} and lifted_at is null and (expires_at is null or expires_at > ${new Date(at)})
    order by id limit 200`.execute(on);
  return rows.map(pinOf);
}

export async function listPins(on: Queryable, scope: Scope): Promise<UpdatePin[]> {
  const { rows } = await sql<PinRow>`
    select ${pinColumns} from rollouts.pin where fleet = ${scope.fleet} order by id desc limit 500`.execute(on);
  return rows.map(pinOf);
}

export async function insertPin(tx: Transaction, scope: Scope, pin: UpdatePin): Promise<void> {
  await sql`
    insert into rollouts.pin (fleet, id, filter, version, reason, expires_at, created_by, created_at)
    values (${scope.fleet}, ${pin.id}, ${pin.filter}, ${pin.version ?? null}, ${pin.reason}, ${pin.expiresAt ?? null}, ${pin.createdBy}, ${pin.createdAt})`.execute(
    tx,
  );
}

/** The pin as it is now, or undefined where there is none of that id. Lifting it twice is lifting it once. */
export async function liftPin(
  tx: Transaction,
  scope: Scope,
  { id, at, by }: { id: string; at: number; by: string },
): Promise<UpdatePin | undefined> {
  const { rows } = await sql<PinRow>`
    update rollouts.pin set lifted_by = case when lifted_at is null then ${by} else lifted_by end, lifted_at = coalesce(lifted_at, ${new Date(at)})
    where fleet = ${scope.fleet} and id = ${id} returning ${pinColumns}`.execute(tx);
  return rows[0] && pinOf(rows[0]);
}

export async function approvalsOf(on: Queryable, scope: Scope, rollout: string): Promise<Approval[]> {
  const { rows } = await sql<{ actor: string; actor_name: string; plan_hash: string; at: Date; comment: string | null }>`
    select actor, actor_name, plan_hash, at, comment from rollouts.approval where fleet = ${scope.fleet} and rollout = ${rollout} order by at`.execute(
    on,
  );
  return rows.map(({ actor, actor_name, plan_hash, at, comment }) => ({
    actor,
    name: actor_name,
    planHash: plan_hash,
    at: at.getTime(),
    ...(comment === null ? {} : { comment }),
  }));
}

/** Approving twice is approving once. */
export async function insertApproval(
  tx: Transaction,
  scope: Scope,
  { rollout, actor, name, planHash, at, comment }: Approval & { rollout: string },
): Promise<void> {
  await sql`
    insert into rollouts.approval (fleet, rollout, actor, actor_name, plan_hash, at, comment)
    values (${scope.fleet}, ${rollout}, ${actor}, ${name}, ${planHash}, ${new Date(at)}, ${comment ?? null}) on conflict do nothing`.execute(
    tx,
  );
}

/** Which of these rollouts have not completed; one that does not exist has not. */
export async function unmetRollouts(on: Queryable, scope: Scope, rollouts: readonly string[]): Promise<string[]> {
  if (rollouts.length === 0) return [];
  const { rows } = await sql<{ id: string }>`
    select id from rollouts.rollout where fleet = ${scope.fleet} and id = any(${rollouts}::text[]) and phase = 'completed'`.execute(
    on,
  );
  const completed = new Set(rows.map(({ id }) => id));
  return rollouts.filter((id) => !completed.has(id));
}

type NamedRow = { name: string; note: string; plan: PlanTemplate; updated_by: string; updated_at: Date };
const namedOf = ({ name, note, plan, updated_by, updated_at }: NamedRow): StoredPlan => ({
  ...{ name, note, plan },
  builtIn: false,
  updatedBy: updated_by,
  updatedAt: updated_at.toISOString(),
});

export async function listNamedPlans(on: Queryable, scope: Scope): Promise<StoredPlan[]> {
  const { rows } = await sql<NamedRow>`
    select name, note, plan, updated_by, updated_at from rollouts.named_plan where fleet = ${scope.fleet} order by name`.execute(
    on,
  );
  return rows.map(namedOf);
}

export async function writeNamedPlan(
  tx: Transaction,
  scope: Scope,
  { name, note, plan, by, at }: Pick<StoredPlan, "name" | "note" | "plan"> & { by: string; at: number },
): Promise<void> {
  await sql`
    insert into rollouts.named_plan (fleet, name, note, plan, updated_by, updated_at)
    values (${scope.fleet}, ${name}, ${note}, ${JSON.stringify(plan)}::jsonb, ${by}, ${new Date(at)})
    on conflict (fleet, name) do update set note = excluded.note, plan = excluded.plan, updated_by = excluded.updated_by, updated_at = excluded.updated_at`.execute(
    tx,
  );
}

export async function deleteNamedPlan(tx: Transaction, scope: Scope, name: string): Promise<void> {
  await sql`delete from rollouts.named_plan where fleet = ${scope.fleet} and name = ${name}`.execute(tx);
}
