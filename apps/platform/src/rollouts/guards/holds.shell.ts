import type { Scope } from "@tenfold/base";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../../kernel/index.ts";
import type { Held } from "./darkness.ts";

type OfRollout = { rollout: string; limit: number };

/** Whose deadline has passed, without taking them: to look around before the rollout is locked. */
export async function overdueDevices(
  on: Queryable,
  scope: Scope,
  { rollout, limit, at }: OfRollout & { at: number },
): Promise<{ device: string; offeredAt: number }[]> {
  const { rows } = await sql<{ device: string; offered_at: Date }>`
    select device, coalesce(go_at, offered_at) as offered_at from rollouts.deployment
    where fleet = ${scope.fleet} and rollout = ${rollout} and in_flight and deadline_at <= ${new Date(at)} order by id limit ${limit}`.execute(
    on,
  );
  return rows.map(({ device, offered_at }) => ({ device, offeredAt: offered_at.getTime() }));
}

/** Devices of a rollout that show how things are around: those not offered the release, and those verified in stages before. */
export async function bystandingDevices(
  on: Queryable,
  scope: Scope,
  { rollout, stage, limit }: OfRollout & { stage: number },
): Promise<{ untouched: string[]; settled: string[] }> {
  const { rows } = await sql<{ device: string; untouched: boolean }>`
    (select device, true as untouched from rollouts.deployment where fleet = ${scope.fleet} and rollout = ${rollout} and not rollback and attempt = 1 and offered_at is null
      order by place desc limit ${limit})
    union all
    (select device, false from rollouts.deployment where fleet = ${scope.fleet} and rollout = ${rollout} and not rollback and state = 'succeeded' and stage < ${stage}
      order by place limit ${limit})`.execute(on);
  const of = (untouched: boolean) => rows.filter((row) => row.untouched === untouched).map(({ device }) => device);
  return { untouched: of(true), settled: of(false) };
}

/** How many updates on their way have had their deadline put off, and why the first of them. */
export async function heldDevices(on: Queryable, scope: Scope, rollout: string): Promise<{ devices: number; because: string }> {
  const { rows } = await sql<{ devices: number; because: string | null }>`
    select count(*)::int as devices, min(held_because) as because from rollouts.deployment
    where fleet = ${scope.fleet} and rollout = ${rollout} and held_because is not null and in_flight and not rollback`.execute(on);
  return { devices: rows[0]?.devices ?? 0, because: rows[0]?.because ?? "" };
}

/** Puts deadlines off, and says why. */
export async function recordHolds(
  tx: Transaction,
  scope: Scope,
  { holds, at }: { holds: readonly Held[]; at: number },
): Promise<void> {
  if (holds.length === 0) return;
  await sql`
    update rollouts.deployment d set deadline_at = to_timestamp(h.until / 1000.0), final_at = greatest(coalesce(final_at, deadline_at), to_timestamp(h.until / 1000.0)), held_because = h.because, updated_at = ${new Date(at)}
    from unnest(${holds.map((h) => h.deployment)}::text[], ${holds.map((h) => h.until)}::float8[], ${holds.map((h) => (h.dark === "still" ? h.because : null))}::text[]) as h (id, until, because)
    where d.fleet = ${scope.fleet} and d.id = h.id and d.in_flight`.execute(tx);
}
