import { days, seconds } from "@tenfold/base";
import { sql } from "kysely";
import type { Database, Queryable } from "../kernel/index.ts";
import type { Deafness } from "../registry/index.ts";
import { lastDeafness } from "./deafness.ts";

/** A server that has not said so for longer than this was not at work. */
const longestGap = seconds(15);

export type Pulse = {
  /** Writes down that this server is at work now (ms). Call it every few seconds. */
  beat(now: number): Promise<void>;
};

export function createPulse(db: Database, server: string): Pulse {
  let row: { id: number; until: number } | undefined;
  return {
    async beat(now) {
      if (row !== undefined && now - row.until <= longestGap) {
        await sql`update monitoring.platform_alive set alive_until = ${new Date(now)} where id = ${row.id}`.execute(db);
        row.until = now;
        return;
      }
      const { rows } = await sql<{ id: number }>`
        insert into monitoring.platform_alive (server, alive_from, alive_until) values (${server}, ${new Date(now)}, ${new Date(now)}) returning id`.execute(
        db,
      );
      const [fresh] = rows;
      if (fresh !== undefined) row = { id: fresh.id, until: now };
    },
  };
}

/** The last time that the platform could not hear, of the past two days; undefined when there was none. */
export async function readDeafness(db: Queryable, now: number): Promise<Deafness | undefined> {
  const { rows } = await sql<{ from: Date; until: Date }>`
    with recent as (select alive_from, alive_until from monitoring.platform_alive where alive_until > ${new Date(now - days(2))})
    select lower(gap) as "from", upper(gap) as until
    from (select unnest(tstzmultirange(tstzrange(min(alive_from), max(alive_until))) - range_agg(tstzrange(alive_from, alive_until))) as gap
      from recent having count(*) > 0) gaps
    order by lower(gap)`.execute(db);
  const gaps = rows.map((gap) => ({ from: gap.from.getTime(), until: gap.until.getTime() }));
  const last = await lastAlive(db);
  // Nobody hears at this moment: the gap has no end yet.
  return lastDeafness(last === undefined || now - last <= longestGap ? gaps : [...gaps, { from: last, until: now }]);
}

async function lastAlive(db: Queryable): Promise<number | undefined> {
  const { rows } = await sql<{ at: Date | null }>`select max(alive_until) as at from monitoring.platform_alive`.execute(db);
  return rows[0]?.at?.getTime();
}
