import { sql } from "kysely";
import type { Database } from "../kernel/index.ts";

export type RefusalTally = { device: string; count: number; at: number; reason: string };

/** Counts refused inputs on the devices' rows, with the newest reason. Returns which of the devices exist. */
export async function writeRefusals(db: Database, tallies: readonly RefusalTally[]): Promise<string[]> {
  const updated = await sql<{ id: string }>`
    with tally as (
      select * from unnest(
        ${tallies.map((tally) => tally.device)}::text[], ${tallies.map((tally) => tally.count)}::bigint[],
        ${tallies.map((tally) => new Date(tally.at).toISOString())}::timestamptz[], ${tallies.map((tally) => tally.reason)}::text[]
      ) as t(device, n, at, reason)
    ),
    -- In the order of ids, so that two batches at once do not block each other.
    locked as (select id from registry.device where id in (select device from tally) order by id for no key update)
    update registry.device d set
      refused_count = d.refused_count + t.n,
      refused_reason = case when t.at >= coalesce(d.refused_at, '-infinity') then t.reason else d.refused_reason end,
      refused_at = greatest(d.refused_at, t.at)
    from tally t join locked l on l.id = t.device where d.id = l.id
    returning d.id`.execute(db);
  return updated.rows.map((row) => row.id);
}
