import { newId, type Scope } from "@tenfold/base";
import type { Actor, Hold } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import { telemetryProblems } from "./errors.ts";
import type { RetentionDeps } from "./retention.shell.ts";
import { lockRetention } from "./retention-store.shell.ts";

type Row = {
  id: string;
  kind: Hold["kind"];
  reason: string;
  devices: string[];
  from_at: Date;
  until_at: Date;
  created_at: Date;
  created_by: Actor;
  released_at: Date | null;
  released_by: Actor | null;
  release_reason: string | null;
};

const holdOf = (row: Row): Hold => ({
  id: row.id,
  kind: row.kind,
  reason: row.reason,
  devices: row.devices,
  from: row.from_at.toISOString(),
  until: row.until_at.toISOString(),
  createdAt: row.created_at.toISOString(),
  createdBy: row.created_by,
  ...(row.released_at === null ? {} : { releasedAt: row.released_at.toISOString() }),
  ...(row.released_by === null ? {} : { releasedBy: row.released_by }),
  ...(row.release_reason === null ? {} : { releaseReason: row.release_reason }),
});

/** Those in force first, then those released last. */
export async function readHolds(db: Queryable, scope: Scope): Promise<Hold[]> {
  const { rows } = await sql<Row>`select * from telemetry.hold where fleet = ${scope.fleet}
    order by released_at desc nulls first, created_at desc limit 200`.execute(db);
  return rows.map(holdOf);
}

/** What must not be deleted. Read under the lock of `lockRetention`, so that no hold comes between reading and planning. */
export async function readHoldsInForce(tx: Transaction | Queryable, scope: Scope): Promise<Hold[]> {
  const { rows } =
    await sql<Row>`select * from telemetry.hold where fleet = ${scope.fleet} and released_at is null order by id`.execute(tx);
  return rows.map(holdOf);
}

export type HoldWish = Pick<Hold, "kind" | "reason" | "devices" | "from" | "until">;

/** Pins a window. Refused while a deletion is under way, because what that has planned it will delete. */
export function createHold(
  { db, clock, audit }: RetentionDeps,
  scope: Scope,
  { actor, ...wish }: HoldWish & { actor: Actor },
): Promise<Hold> {
  const [from, until] = [Date.parse(wish.from), Date.parse(wish.until)];
  if (from >= until)
    throw telemetryProblems.time_range_invalid("The window ends before it begins.", {
      field: "until",
      fix: "Give a `from` before `until`.",
    });
  return db.transaction().execute(async (tx) => {
    await lockRetention(tx);
    const { rows: deleting } = await sql<{ id: string }>`
      select id from telemetry.deletion where fleet = ${scope.fleet} and finished_at is null and before > ${new Date(from)} limit 1`.execute(
      tx,
    );
    if (deleting[0])
      throw telemetryProblems.deletion_under_way(`The deletion ${deleting[0].id} is under way and reaches into this window.`, {
        fix: "Try again when it has ended, usually within minutes; `tenfold retention show` lists it.",
        retryAfterS: 10,
      });
    const now = new Date(clock.now());
    const devices = [...new Set(wish.devices)].sort();
    const { rows } = await sql<Row>`
      insert into telemetry.hold (id, fleet, kind, reason, devices, from_at, until_at, created_at, created_by)
      values (${newId("hold", now.getTime())}, ${scope.fleet}, ${wish.kind}, ${wish.reason}, ${devices}::text[], ${new Date(from)}, ${new Date(until)}, ${now}, ${JSON.stringify(actor)}::jsonb)
      returning *`.execute(tx);
    const hold = holdOf(only(rows));
    await audit(tx, scope, {
      actor,
      action: "telemetry.held",
      subject: { kind: "hold", id: hold.id },
      detail: { ...wish, devices },
    });
    return hold;
  });
}

/** Ends a hold. A legal one needs a second person, so that nobody alone can set and lift it. */
export function releaseHold(
  { db, clock, audit }: RetentionDeps,
  scope: Scope,
  { id, reason, actor }: { id: string; reason: string; actor: Actor },
): Promise<Hold> {
  return db.transaction().execute(async (tx) => {
    await lockRetention(tx);
    const { rows } = await sql<Row>`select * from telemetry.hold where fleet = ${scope.fleet} and id = ${id} for update`.execute(
      tx,
    );
    const [row] = rows;
    if (row === undefined)
      throw telemetryProblems.hold_unknown(`There is no hold "${id}".`, { fix: "`tenfold retention show` lists them." });
    if (row.released_at !== null) return holdOf(row);
    if (row.kind === "legal" && row.created_by.kind === actor.kind && row.created_by.id === actor.id)
      throw telemetryProblems.second_person_needed(`The legal hold "${id}" was set by you.`, {
        fix: "Somebody else with the permission retention.write has to release it.",
      });
    const released =
      await sql<Row>`update telemetry.hold set released_at = ${new Date(clock.now())}, released_by = ${JSON.stringify(actor)}::jsonb, release_reason = ${reason}
      where id = ${id} returning *`.execute(tx);
    await audit(tx, scope, {
      actor,
      action: "telemetry.hold_released",
      subject: { kind: "hold", id },
      detail: { reason, kind: row.kind, devices: row.devices },
    });
    return holdOf(only(released.rows));
  });
}

function only<Row>(rows: readonly Row[]): Row {
  const [row] = rows;
  if (row === undefined) throw new Error("The statement returned no row.");
  return row;
}
