import { sql } from "kysely";
import type { Clock, Database, Transaction } from "../kernel/index.ts";
import type { UpMessage } from "./message.ts";
import { keyOf, type Ranges, sift } from "./sequence.ts";

/** Leaves out of a batch what was taken before. The same token gives the same answer, as long as it is the journal's last one. */
export type Sift = <One extends { message: UpMessage }>(batch: readonly One[], token: string) => Promise<readonly One[]>;

/** Boots of a device whose numbers are remembered; one that restarts sends what it kept under the boot it had then. */
const boots = 8;

/**
 * Sifts by windows in PostgreSQL. Windows and answer are written in one transaction before anything of the batch is applied: after a
 * crash in between, the batch comes again under its token and is answered as before. A batch that comes again later than that was applied
 * already, and all its numbers are taken.
 */
export const siftBy =
  ({ db, clock }: { db: Database; clock: Clock }): Sift =>
  async (batch, token) => {
    if (batch.every(({ message }) => message.sequence === undefined)) return batch;
    const messages = batch.map(({ message }) => message);
    const repeated = new Set(
      await db.transaction().execute((tx) => decide(tx, { batch: messages, token, at: new Date(clock.now()) })),
    );
    return repeated.size === 0 ? batch : batch.filter((_, place) => !repeated.has(place));
  };

/** Held while a batch is sifted. */
const siftLock = 7_303_014_464;

type Question = { batch: readonly UpMessage[]; token: string; at: Date };

async function decide(tx: Transaction, { batch, token, at }: Question): Promise<number[]> {
  const journal = token.split("-").slice(0, -2).join("-");
  // Two journals may bring one device's messages: a boot's first number has no row yet that could be locked.
  await sql`select pg_advisory_xact_lock(${siftLock})`.execute(tx);
  const { rows } = await sql<{ token: string; repeated: number[] }>`
    select token, repeated from telemetry.sifted where journal = ${journal} for update`.execute(tx);
  const [last] = rows;
  if (last?.token === token) return last.repeated;
  const { repeated, after } = sift(batch, await windowsOf(tx, batch));
  await write(tx, after, at);
  await sql`
    insert into telemetry.sifted (journal, token, repeated) values (${journal}, ${token}, ${JSON.stringify(repeated)}::jsonb)
    on conflict (journal) do update set token = excluded.token, repeated = excluded.repeated`.execute(tx);
  return repeated;
}

async function windowsOf(tx: Transaction, batch: readonly UpMessage[]): Promise<Map<string, Ranges>> {
  const keys = [...new Set(batch.filter(({ sequence }) => sequence !== undefined).map(keyOf))];
  const columns = columnsOf(keys);
  const { rows } = await sql<{ fleet: string; device: string; boot: string; ranges: Ranges }>`
    select fleet, device, boot, ranges from telemetry.sequence
    join unnest(${columns.fleets}::text[], ${columns.devices}::text[], ${columns.boots}::text[]) as asked (fleet, device, boot) using (fleet, device, boot)
    order by fleet, device, boot for update of sequence`.execute(tx);
  return new Map(rows.map(({ fleet, device, boot, ranges }) => [JSON.stringify([fleet, device, boot]), ranges]));
}

async function write(tx: Transaction, after: ReadonlyMap<string, Ranges>, at: Date): Promise<void> {
  const columns = columnsOf([...after.keys()]);
  const ranges = [...after.values()].map((one) => JSON.stringify(one));
  const { rows } = await sql<{ fleet: string; device: string }>`
    insert into telemetry.sequence (fleet, device, boot, ranges, used_at)
    select fleet, device, boot, ranges::jsonb, ${at}
    from unnest(${columns.fleets}::text[], ${columns.devices}::text[], ${columns.boots}::text[], ${ranges}::text[]) as taken (fleet, device, boot, ranges)
    order by fleet, device, boot
    on conflict (fleet, device, boot) do update set ranges = excluded.ranges, used_at = excluded.used_at
    returning fleet, device, (xmax = 0) as is_new`.execute(tx);
  const added = rows.filter((row) => "is_new" in row && row.is_new);
  if (added.length === 0) return;
  await sql`
    delete from telemetry.sequence s using (
      select fleet, device, boot, row_number() over (partition by fleet, device order by used_at desc, boot) as place
      from telemetry.sequence
      where (fleet, device) in (select * from unnest(${added.map(({ fleet }) => fleet)}::text[], ${added.map(({ device }) => device)}::text[]))
    ) old where old.place > ${boots} and (s.fleet, s.device, s.boot) = (old.fleet, old.device, old.boot)`.execute(tx);
}

function columnsOf(keys: readonly string[]): { fleets: string[]; devices: string[]; boots: string[] } {
  // Each key was made by `keyOf` of a message with a number.
  const parts = keys.map((key) => JSON.parse(key) as [string, string, string]);
  return {
    fleets: parts.map(([fleet]) => fleet),
    devices: parts.map(([, device]) => device),
    boots: parts.map(([, , boot]) => boot),
  };
}
