import type { Scope } from "@tenfold/base";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";

export type GroupRow = { id: string; name: string; filter: string | null; members: number; created_at: Date };

/** Every group; `members` counts only static ones. */
export async function readGroups(db: Queryable, scope: Scope): Promise<GroupRow[]> {
  const read = await sql<GroupRow>`
    select g.id, g.name, g.filter, g.created_at, (select count(*) from registry.group_member m where m.group_id = g.id) as members
    from registry.device_group g where g.fleet = ${scope.fleet} order by g.name`.execute(db);
  return read.rows;
}

export async function readGroupNames(db: Queryable, scope: Scope): Promise<{ name: string; filter: string | null }[]> {
  return (
    await sql<{
      name: string;
      filter: string | null;
    }>`select name, filter from registry.device_group where fleet = ${scope.fleet}`.execute(db)
  ).rows;
}

/** False when the name is taken. */
export async function insertGroup(
  tx: Transaction,
  scope: Scope,
  { id, name, filter, now }: { id: string; name: string; filter?: string; now: number },
): Promise<boolean> {
  const inserted = await sql`
    insert into registry.device_group (id, fleet, name, filter, created_at) values (${id}, ${scope.fleet}, ${name}, ${filter ?? null}, ${new Date(now)})
    on conflict (fleet, name) do nothing returning id`.execute(tx);
  return inserted.rows.length === 1;
}

/** Adds the devices that exist and returns those that do not. */
export async function insertMembers(
  tx: Transaction,
  scope: Scope,
  { id, devices }: { id: string; devices: readonly string[] },
): Promise<string[]> {
  const unknown = await sql<{ device: string }>`
    with wanted as (select distinct w.device from unnest(${devices}::text[]) as w(device)),
    added as (
      insert into registry.group_member (group_id, device)
      select ${id}, d.id from wanted w join registry.device d on d.id = w.device and d.fleet = ${scope.fleet} returning device
    )
    select device from wanted where device not in (select device from added)`.execute(tx);
  return unknown.rows.map((row) => row.device);
}

/** The deleted group's name; undefined when there is none. */
export async function deleteGroup(tx: Transaction, scope: Scope, id: string): Promise<string | undefined> {
  const deleted = await sql<{
    name: string;
  }>`delete from registry.device_group where fleet = ${scope.fleet} and id = ${id} returning name`.execute(tx);
  return deleted.rows[0]?.name;
}
