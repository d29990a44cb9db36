import type { Scope } from "@tenfold/base";
import { sql } from "kysely";
import type { Queryable } from "../kernel/index.ts";
import type { Period } from "./period.ts";

export type UptimeFacts = {
  devices: number;
  expectedS: number;
  reachableS: number;
  /** The share that the twentieth-worst device in a hundred reaches; null without devices. */
  p5: number | null;
  underTarget: number;
  impairedS: number;
  excluded: number;
};

/** Adds up kpi.device_time over the fleet. */
export async function readUptime(
  db: Queryable,
  scope: Scope,
  { period, target }: { period: Period; target: number },
): Promise<UptimeFacts> {
  const [from, to] = [new Date(period.from), new Date(period.to)];
  const { rows } = await sql<UptimeFacts>`
    with time as (
      select kpi.seconds(expected) as e, kpi.seconds(reachable) as u from kpi.device_time(${scope.fleet}, ${from}, ${to})
    )
    select count(*) as devices, coalesce(sum(e), 0)::float8 as "expectedS", coalesce(sum(u), 0)::float8 as "reachableS",
      percentile_disc(0.05) within group (order by u / e) as p5, count(*) filter (where u / e < ${target}) as "underTarget",
      (select coalesce(sum(kpi.seconds(tstzmultirange(during * tstzrange(${from}, ${to})))), 0)::float8 from monitoring.platform_impaired) as "impairedS",
      (select count(distinct device) from registry.expected_time
        where fleet = ${scope.fleet} and excluded and during && tstzrange(${from}, ${to})) as excluded
    from time`.execute(db);
  const [facts] = rows;
  if (facts === undefined) throw new Error("An aggregate without groups has one row.");
  return facts;
}

/** Expected and reachable seconds of the whole fleet in each part of a period, in their order. */
export async function readUptimeTrend(
  db: Queryable,
  scope: Scope,
  { period, parts }: { period: Period; parts: readonly Period[] },
): Promise<{ expectedS: number; reachableS: number }[]> {
  const iso = (at: number) => new Date(at).toISOString();
  const { rows } = await sql<{ expectedS: number; reachableS: number }>`
    with time as materialized (select * from kpi.device_time(${scope.fleet}, ${new Date(period.from)}, ${new Date(period.to)})),
    part as (
      select i, tstzmultirange(tstzrange(a, b)) as w
      from unnest(${parts.map(({ from }) => iso(from))}::timestamptz[], ${parts.map(({ to }) => iso(to))}::timestamptz[]) with ordinality as p(a, b, i)
    ),
    e as (select i, sum(date_part('epoch', upper(r) - lower(r))) as s from part, time, unnest(expected * w) r group by i),
    u as (select i, sum(date_part('epoch', upper(r) - lower(r))) as s from part, time, unnest(reachable * w) r group by i)
    select coalesce(e.s, 0)::float8 as "expectedS", coalesce(u.s, 0)::float8 as "reachableS"
    from part left join e using (i) left join u using (i) order by i`.execute(db);
  return rows;
}

/** When the first device of the fleet was heard, ms; undefined before that. */
export async function readFirstContact(db: Queryable, scope: Scope): Promise<number | undefined> {
  const { rows } = await sql<{
    at: Date | null;
  }>`select min(lower(during)) as at from registry.expected_time where fleet = ${scope.fleet}`.execute(db);
  return rows[0]?.at?.getTime();
}
