import { hours, type Scope } from "@tenfold/base";
import type { Filter } from "@tenfold/query";
import { sql } from "kysely";
import type { Queryable } from "../kernel/index.ts";
import { leaseBeforeHeartbeat, shortestGrace } from "./connectivity.ts";
import { conditionOf, offlineAt } from "./filter-sql.shell.ts";

/** When the platform could not hear: a device whose lease ran out then, or soon after, gets one new lease from `until` on (ms). */
export type Deafness = { from: number; until: number };

export type SilenceQuestion = { filter: string; now: number; deaf?: Deafness /** Devices to name at most. */; limit: number };

/** `since`: when lease and grace had passed, ms. */
export type SilentDevice = { id: string; since: number; lastContactAt: number; leaseMs: number; model?: string; version?: string };

/** Watched are the devices that must be reachable: active, and heard before. `devices` are the silent ones, longest silent first. */
export type Silence = { watched: number; silent: number; newestContactAt?: number; devices: SilentDevice[] };

type Resolved = Omit<SilenceQuestion, "filter"> & { filter: Filter };

// Nobody waits longer than this for a device to come back after the platform was deaf.
const longestPatience = hours(1);

export async function readSilence(db: Queryable, scope: Scope, question: Resolved): Promise<Silence> {
  type Counts = { watched: number; silent: number; newest: Date | null; devices: SilentRow[] | null };
  const at = new Date(question.now);
  const { rows } = await sql<Counts>`
    with watched as (${watched(scope, question)}),
    quiet as (select * from watched where ${at}::timestamptz >= since order by since, id)
    select (select count(*) from watched) as watched, (select count(*) from quiet) as silent, (select max(last_contact_at) from watched) as newest,
      (select jsonb_agg(jsonb_build_object('id', id, 'since', ${inMs(sql`since`)}, 'lastContactAt', ${inMs(sql`last_contact_at`)},
        'leaseMs', coalesce(lease_ms, ${leaseBeforeHeartbeat}::bigint), 'model', model, 'version', fw_version) order by since, id)
        from (select * from quiet limit ${question.limit}) named) as devices`.execute(db);
  const [row] = rows;
  return {
    watched: row?.watched ?? 0,
    silent: row?.silent ?? 0,
    devices: (row?.devices ?? []).map(({ model, version, ...device }) => ({
      ...device,
      ...(model !== null && { model }),
      ...(version !== null && { version }),
    })),
    ...(row?.newest && { newestContactAt: row.newest.getTime() }),
  };
}

type SilentRow = Omit<SilentDevice, "model" | "version"> & { model: string | null; version: string | null };

/** A property that devices share: how many of those that have it are silent, and how many there are. */
export type Trait = { trait: string; silent: number; of: number };

/** What most of the silent devices share and most of the others do not. */
export async function readTraits(db: Queryable, scope: Scope, question: Resolved): Promise<Trait[]> {
  const { rows } = await sql<Trait>`
    with watched as (${watched(scope, question)}),
    judged as (select *, ${new Date(question.now)}::timestamptz >= since as quiet from watched),
    trait as (
      select 'fw:' || fw_version as trait, quiet from judged where fw_version is not null
      union all select 'model:' || model, quiet from judged where model is not null
      union all select 'tag:' || t.key || '=' || t.value, quiet from judged, jsonb_each_text(tags) t
    ),
    counted as (select trait, count(*) filter (where quiet) as silent, count(*) as "of" from trait group by trait),
    overall as (select count(*) filter (where quiet) as silent, count(*) as "of" from judged)
    select c.trait, c.silent, c."of" from counted c, overall o
    where c.silent >= 0.6 * o.silent and c.silent::float8 / c."of" >= 2 * o.silent::float8 / o."of"
    order by c.silent::float8 / c."of" desc, c.silent desc, c.trait limit 3`.execute(db);
  return rows;
}

const watched = (scope: Scope, { filter, now, deaf }: Resolved) => sql`
  select d.id, d.model, d.tags, d.fw_version, d.last_contact_at, d.lease_ms, ${silentFrom(deaf)} as since
  from registry.device d
  where d.fleet = ${scope.fleet} and d.lifecycle = 'active' and d.last_contact_at is not null and ${conditionOf(filter, now)}`;

/** A device that was silent before the platform went deaf stays so; any other gets a new lease, for it may have called in vain. */
function silentFrom(deaf: Deafness | undefined) {
  if (deaf === undefined) return offlineAt;
  const lease = sql`coalesce(d.lease_ms, ${leaseBeforeHeartbeat}::bigint)`;
  const patience = sql`(least(${lease}, ${longestPatience}::bigint) + greatest(least(${lease}, ${longestPatience}::bigint), ${shortestGrace}::bigint))`;
  return sql`case when ${offlineAt} < ${new Date(deaf.from)}::timestamptz then ${offlineAt}
    else greatest(${offlineAt}, ${new Date(deaf.until)}::timestamptz + ${patience} * interval '1 millisecond') end`;
}

const inMs = (moment: ReturnType<typeof sql>) => sql`round(extract(epoch from ${moment}) * 1000)`;
