import type { Scope } from "@tenfold/base";
import type { TimelineEntry } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable } from "../kernel/index.ts";
import { type FirmwareRow, type LifecycleRow, type RefusedRow, registryEntries, type SilenceRow } from "./timeline.ts";

/** The registry's part of a device's timeline; undefined when there is no such device. */
export async function readRegistryTimeline(
  db: Queryable,
  scope: Scope,
  { id, limit }: { id: string; limit: number },
): Promise<TimelineEntry[] | undefined> {
  const [refused] = (
    await sql<RefusedRow>`select refused_count, refused_at, refused_reason from registry.device where fleet = ${scope.fleet} and id = ${id}`.execute(
      db,
    )
  ).rows;
  if (refused === undefined) return undefined;
  const [lifecycle, firmware, silences] = await Promise.all([
    sql<LifecycleRow>`select at, was, lifecycle, reason, actor from registry.lifecycle_change where device = ${id} order by seq desc limit ${limit}`.execute(
      db,
    ),
    sql<FirmwareRow>`select at, was_version, version, hash from registry.firmware_change where device = ${id} order by at desc limit ${limit}`.execute(
      db,
    ),
    sql<SilenceRow>`
      select "from", until from (
        select lag(upper(during)) over (order by during) as "from", lower(during) as until from registry.reachable_time where device = ${id}
      ) gap where "from" is not null order by until desc limit ${limit}`.execute(db),
  ]);
  return registryEntries({ lifecycle: lifecycle.rows, firmware: firmware.rows, silences: silences.rows, refused });
}
