import type { Json, Scope } from "@tenfold/base";
import { sql } from "kysely";
import type { Database } from "../kernel/index.ts";
import { largestState, mergePatch, type ReportedPatch } from "./reported.ts";

type Row = { id: string; reported: Json; reported_at: Date | null };

/**
 * Merges patches into what the devices reported, each once: a patch that is not newer than the last one was there before. A state that
 * would grow past its limit keeps what it was.
 */
export async function writeReported(db: Database, patches: readonly ReportedPatch[]): Promise<void> {
  if (patches.length === 0) return;
  const byDevice = Map.groupBy(
    patches.toSorted((a, b) => a.at - b.at),
    (patch) => patch.device,
  );
  await db.transaction().execute(async (tx) => {
    const { rows } =
      await sql<Row>`select id, reported, reported_at from registry.device where id = any(${[...byDevice.keys()]}::text[])
      order by id for no key update`.execute(tx);
    const changed = rows.flatMap((row) => mergeInto(row, byDevice.get(row.id) ?? []));
    await sql`
      update registry.device d set reported = c.reported, reported_at = c.at
      from unnest(${changed.map(({ id }) => id)}::text[], ${changed.map(({ state }) => state)}::jsonb[], ${changed.map(({ at }) => at)}::timestamptz[]) as c(id, reported, at)
      where d.id = c.id`.execute(tx);
  });
}

function mergeInto(row: Row, patches: readonly ReportedPatch[]): { id: string; state: string; at: string }[] {
  const fresh = patches.filter(({ at }) => at > (row.reported_at?.getTime() ?? Number.NEGATIVE_INFINITY));
  const newest = fresh.at(-1);
  const state = JSON.stringify(fresh.reduce((merged, { patch }) => mergePatch(merged, patch), row.reported));
  return newest === undefined || state.length > largestState ? [] : [{ id: row.id, state, at: new Date(newest.at).toISOString() }];
}

export async function readReported(db: Database, scope: Scope, id: string): Promise<Json | undefined> {
  return (
    await sql<{ reported: Json }>`select reported from registry.device where fleet = ${scope.fleet} and id = ${id}`.execute(db)
  ).rows[0]?.reported;
}
