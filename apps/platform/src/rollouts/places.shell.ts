import type { Scope } from "@tenfold/base";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { Place } from "./membership.ts";
import type { NewRollout, StoredRollout } from "./store.ts";

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
  // By device, so that most indexes grow at one end; in parts, so that no statement of a large fleet comes near its deadline.
  const inOrder = places.toSorted((a, b) => (a.device < b.device ? -1 : 1));
  for (let i = 0; i < inOrder.length; i += 5_000) await insertPlaces(tx, scope, { rollout, places: inOrder.slice(i, i + 5_000) });
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
