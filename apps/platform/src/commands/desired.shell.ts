import type { Scope } from "@tenfold/base";
import type { AppliedDesired } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { Desired, StateDocument, StoredChange } from "./desired.ts";

type Row = {
  device: string;
  generation: number;
  state: StateDocument;
  reason: string;
  changed_by: string;
  changed_at: Date;
  applied_generation: number | null;
  applied_at: Date | null;
  refused: string[];
};

const columns = sql.raw("device, generation, state, reason, changed_by, changed_at, applied_generation, applied_at, refused");

const desiredOf = (row: Row): Desired => ({
  device: row.device,
  generation: row.generation,
  state: row.state,
  reason: row.reason,
  changedBy: row.changed_by,
  changedAt: row.changed_at.getTime(),
  refused: row.refused,
  ...(row.applied_generation === null ? {} : { appliedGeneration: row.applied_generation }),
  ...(row.applied_at === null ? {} : { appliedAt: row.applied_at.getTime() }),
});

export async function readDesired(on: Queryable, scope: Scope, device: string): Promise<Desired | undefined> {
  const { rows } =
    await sql<Row>`select ${columns} from commands.desired where fleet = ${scope.fleet} and device = ${device}`.execute(on);
  return rows[0] && desiredOf(rows[0]);
}

export async function listDesired(on: Queryable, scope: Scope, devices: readonly string[]): Promise<Desired[]> {
  const { rows } =
    await sql<Row>`select ${columns} from commands.desired where fleet = ${scope.fleet} and device = any(${devices}::text[])`.execute(
      on,
    );
  return rows.map(desiredOf);
}

/** The rows of these devices, made where there are none, and locked in one order, so that two changes of many devices never wait for each other. */
export async function lockDesired(
  tx: Transaction,
  scope: Scope,
  { devices, at }: { devices: readonly string[]; at: number },
): Promise<Desired[]> {
  const sorted = devices.toSorted();
  await sql`
    insert into commands.desired (fleet, device, changed_at) select ${scope.fleet}, d, ${new Date(at)}::timestamptz from unnest(${sorted}::text[]) d
    on conflict do nothing`.execute(tx);
  const { rows } = await sql<Row>`
    select ${columns} from commands.desired where fleet = ${scope.fleet} and device = any(${sorted}::text[]) order by device for update`.execute(
    tx,
  );
  return rows.map(desiredOf);
}

export type WrittenChange = {
  changes: readonly { device: string; generation: number; state: StateDocument }[];
  how: Omit<StoredChange, "generation">;
};

export async function writeDesired(tx: Transaction, scope: Scope, { changes, how }: WrittenChange): Promise<void> {
  if (changes.length === 0) return;
  const at = new Date(how.at);
  const devices = changes.map(({ device }) => device);
  const generations = changes.map(({ generation }) => generation);
  await sql`
    update commands.desired d set generation = c.generation, state = c.state, reason = ${how.reason}, changed_by = ${how.by},
      changed_at = ${at}::timestamptz, look_at = ${at}::timestamptz, attempts = 0
    from unnest(${devices}::text[], ${generations}::int[], ${changes.map(({ state }) => JSON.stringify(state))}::jsonb[]) as c (device, generation, state)
    where d.fleet = ${scope.fleet} and d.device = c.device`.execute(tx);
  await sql`
    insert into commands.desired_change (fleet, device, generation, mode, document, reason, by, at)
    select ${scope.fleet}, c.device, c.generation, ${how.mode}, ${JSON.stringify(how.document)}::jsonb, ${how.reason}, ${how.by}, ${at}::timestamptz
    from unnest(${devices}::text[], ${generations}::int[]) as c (device, generation)`.execute(tx);
}

export async function listChanges(
  on: Queryable,
  scope: Scope,
  { device, limit }: { device: string; limit: number },
): Promise<StoredChange[]> {
  const { rows } = await sql<Omit<StoredChange, "at"> & { at: Date }>`
    select generation, mode, document, reason, by, at from commands.desired_change
    where fleet = ${scope.fleet} and device = ${device} order by generation desc limit ${limit}`.execute(on);
  return rows.map((row) => ({ ...row, at: row.at.getTime() }));
}

export type ObservedApplied = { scope: Scope; device: string; at: number; applied: AppliedDesired };

/**
 * What devices say they follow. A device that follows a later generation than the platform knows of (its tables were restored from a copy) is
 * brought back by a generation above its own.
 */
export async function recordApplied(
  on: Queryable,
  observed: readonly ObservedApplied[],
): Promise<{ fleet: string; device: string; generation: number }[]> {
  const newest = [
    ...new Map(observed.toSorted((a, b) => a.at - b.at).map((one) => [`${one.scope.fleet}/${one.device}`, one])).values(),
  ];
  if (newest.length === 0) return [];
  const { rows } = await sql<{ fleet: string; device: string; generation: number }>`
    update commands.desired d set applied_generation = a.generation, applied_at = a.at,
      refused = array(select jsonb_array_elements_text(a.refused)),
      generation = case when a.generation > d.generation then a.generation + 1 else d.generation end,
      look_at = case when a.generation = d.generation then null when a.generation > d.generation then a.at else d.look_at end
    from unnest(${newest.map(({ scope }) => scope.fleet)}::text[], ${newest.map(({ device }) => device)}::text[],
                ${newest.map(({ applied }) => applied.generation)}::int[], ${newest.map(({ applied }) => JSON.stringify(applied.refused))}::jsonb[],
                ${newest.map(({ at }) => new Date(at).toISOString())}::timestamptz[]) as a (fleet, device, generation, refused, at)
    where d.fleet = a.fleet and d.device = a.device and d.generation > 0 and (d.applied_at is null or d.applied_at < a.at)
    returning d.fleet, d.device, d.generation`.execute(on);
  return rows;
}

/** Whose desired state is not followed yet and is to be told now, locked; rows that somebody else works on are passed over. */
export async function lockUnfollowed(
  tx: Transaction,
  { at, limit }: { at: number; limit: number },
): Promise<{ fleet: string; device: string; attempts: number }[]> {
  const { rows } = await sql<{ fleet: string; device: string; attempts: number }>`
    select fleet, device, attempts from commands.desired where look_at <= ${new Date(at)} order by look_at limit ${limit} for update skip locked`.execute(
    tx,
  );
  return rows;
}

export async function recordTold(
  tx: Transaction,
  told: readonly { fleet: string; device: string; lookAt: number }[],
): Promise<void> {
  if (told.length === 0) return;
  await sql`
    update commands.desired d set look_at = t.at, attempts = d.attempts + 1
    from unnest(${told.map(({ fleet }) => fleet)}::text[], ${told.map(({ device }) => device)}::text[],
                ${told.map(({ lookAt }) => new Date(lookAt).toISOString())}::timestamptz[]) as t (fleet, device, at)
    where d.fleet = t.fleet and d.device = t.device`.execute(tx);
}
