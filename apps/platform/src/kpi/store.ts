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
  /** Expected and reachable seconds of the whole fleet in each part of the period, in their order. */
  trend: { expectedS: number; reachableS: number }[];
};

/** Adds up kpi.device_time over the fleet and over the parts of the period. */
export async function readUptime(
  db: Queryable,
  scope: Scope,
  { period, parts, target }: { period: Period; parts: readonly Period[]; target: number },
): Promise<UptimeFacts> {
  const [from, to] = [new Date(period.from), new Date(period.to)];
  // Stretches become plain seconds once: sums over multiranges cost ten times as much.
  const { rows } = await sql<UptimeFacts>`
    with time as materialized (select * from kpi.device_time(${scope.fleet}, ${from}, ${to})),
    stretch as materialized (
      select device, true as expected, date_part('epoch', lower(r)) as l, date_part('epoch', upper(r)) as u from time, unnest(expected) r
      union all
      select device, false, date_part('epoch', lower(r)), date_part('epoch', upper(r)) from time, unnest(reachable) r
    ),
    per_device as (
      select sum(u - l) filter (where expected) as e, coalesce(sum(u - l) filter (where not expected), 0) as r from stretch group by device
    ),
    part as (
      select i, a, b from unnest(${parts.map((part) => part.from / 1_000)}::float8[], ${parts.map((part) => part.to / 1_000)}::float8[])
        with ordinality as p(a, b, i)
    ),
    part_sum as (
      select i, coalesce(sum(least(u, b) - greatest(l, a)) filter (where expected), 0) as e,
        coalesce(sum(least(u, b) - greatest(l, a)) filter (where not expected), 0) as r
      from part left join stretch on l < b and u > a group by i
    )
    select count(*) as devices, coalesce(sum(e), 0) as "expectedS", coalesce(sum(r), 0) as "reachableS",
      percentile_disc(0.05) within group (order by r / e) as p5, count(*) filter (where r / e < ${target}) as "underTarget",
      (select coalesce(sum(kpi.seconds(tstzmultirange(during * tstzrange(${from}, ${to})))), 0) from monitoring.platform_impaired) as "impairedS",
      (select count(distinct device) from registry.expected_time
        where fleet = ${scope.fleet} and excluded and during && tstzrange(${from}, ${to})) as excluded,
      (select jsonb_agg(jsonb_build_object('expectedS', e, 'reachableS', r) order by i) from part_sum) as trend
    from per_device`.execute(db);
  const [facts] = rows;
  if (facts === undefined) throw new Error("An aggregate without groups has one row.");
  return facts;
}

/** When the first device of the fleet was heard, ms; undefined before that. */
export async function readFirstContact(db: Queryable, scope: Scope): Promise<number | undefined> {
  const { rows } = await sql<{
    at: Date | null;
  }>`select min(lower(during)) as at from registry.expected_time where fleet = ${scope.fleet}`.execute(db);
  return rows[0]?.at?.getTime();
}
