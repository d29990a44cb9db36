import type { Scope } from "@tenfold/base";
import type { DirectorSet, ListedImage } from "@tenfold/ota";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { Repository } from "./repository.ts";

export type StoredFile = { name: string; role: string; version: number; metadata: string; expires: number };

type FileRow = { name: string; role: string; version: number; metadata: string; expires_at: Date };

const fileOf = ({ expires_at, version, ...row }: FileRow): StoredFile => ({
  ...row,
  version: Number(version),
  expires: expires_at.getTime(),
});

export async function findFile(
  on: Queryable,
  scope: Scope,
  at: { repository: Repository; name: string },
): Promise<StoredFile | undefined> {
  const { rows } = await sql<FileRow>`
    select name, role, version, metadata, expires_at from tuf.file
    where fleet = ${scope.fleet} and repository = ${at.repository} and name = ${at.name}`.execute(on);
  return rows[0] && fileOf(rows[0]);
}

/** The newest file of each role. */
export async function newestFiles(on: Queryable, scope: Scope, repository: Repository): Promise<Map<string, StoredFile>> {
  const { rows } = await sql<FileRow>`
    select distinct on (role) name, role, version, metadata, expires_at from tuf.file
    where fleet = ${scope.fleet} and repository = ${repository} order by role, version desc`.execute(on);
  return new Map(rows.map((row) => [row.role, fileOf(row)]));
}

/** The newest file of one role: a list of releases can be long, and is read only where it is needed. */
export async function newestFile(
  on: Queryable,
  scope: Scope,
  { repository, role }: { repository: Repository; role: string },
): Promise<StoredFile | undefined> {
  const { rows } = await sql<FileRow>`
    select name, role, version, metadata, expires_at from tuf.file
    where fleet = ${scope.fleet} and repository = ${repository} and role = ${role} order by version desc limit 1`.execute(on);
  return rows[0] && fileOf(rows[0]);
}

/** One writer at a time changes a fleet's repository, on whatever server. */
export async function lockRepository(tx: Transaction, scope: Scope, repository: Repository): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('tuf'), hashtext(${`${scope.fleet} ${repository}`}))`.execute(tx);
}

export async function putFile(
  tx: Transaction,
  scope: Scope,
  { repository, at, ...file }: StoredFile & { repository: Repository; at: number },
): Promise<void> {
  await sql`
    insert into tuf.file (fleet, repository, name, role, version, metadata, expires_at, created_at)
    values (${scope.fleet}, ${repository}, ${file.name}, ${file.role}, ${file.version}, ${file.metadata}, ${new Date(file.expires)}, ${new Date(at)})
    on conflict (fleet, repository, name) do update set version = excluded.version, metadata = excluded.metadata,
      expires_at = excluded.expires_at, created_at = excluded.created_at`.execute(tx);
}

/** Snapshots that no timestamp has named for long. */
export async function dropOldSnapshots(tx: Transaction, scope: Scope, kept: number): Promise<void> {
  await sql`
    delete from tuf.file where fleet = ${scope.fleet} and repository = 'image' and role = 'snapshot' and version not in
      (select version from tuf.file where fleet = ${scope.fleet} and repository = 'image' and role = 'snapshot' order by version desc limit ${kept})`.execute(
    tx,
  );
}

/** What a role lists from now on, whole. */
export async function replaceTargets(
  tx: Transaction,
  scope: Scope,
  { role, images }: { role: string; images: readonly ListedImage[] },
): Promise<void> {
  await sql`delete from tuf.target where fleet = ${scope.fleet} and role = ${role}`.execute(tx);
  for (let from = 0; from < images.length; from += 10_000) {
    const piece = images.slice(from, from + 10_000);
    await sql`
      insert into tuf.target (fleet, role, path, size, sha256, release_counter, statement, hardware_ids)
      select ${scope.fleet}, ${role}, path, size, sha256, counter, statement, array(select jsonb_array_elements_text(ids::jsonb)) from unnest(${piece.map((one) => one.path)}::text[], ${piece.map((one) => one.length)}::bigint[],
        ${piece.map((one) => one.sha256)}::text[], ${piece.map((one) => one.releaseCounter)}::bigint[], ${piece.map((one) => one.statement)}::text[],
        ${piece.map((one) => JSON.stringify(one.hardwareIds))}::text[]) as listed (path, size, sha256, counter, statement, ids)`.execute(
      tx,
    );
  }
}

export type StoredTarget = {
  role: string;
  path: string;
  size: number;
  sha256: string;
  releaseCounter: number;
  statement: string;
  hardwareIds: string[];
};

export async function findTargets(on: Queryable, scope: Scope, path: string): Promise<StoredTarget[]> {
  const { rows } = await sql<
    Omit<StoredTarget, "releaseCounter" | "hardwareIds"> & { release_counter: number; hardware_ids: string[] }
  >`
    select role, path, size, sha256, release_counter, statement, hardware_ids from tuf.target where fleet = ${scope.fleet} and path = ${path} order by role = 'targets' desc, role`.execute(
    on,
  );
  return rows.map(({ release_counter, hardware_ids: hardwareIds, size, ...row }) => ({
    ...row,
    hardwareIds,
    size: Number(size),
    releaseCounter: Number(release_counter),
  }));
}

export async function countTargets(on: Queryable, scope: Scope): Promise<number> {
  const { rows } = await sql<{ n: string }>`select count(*) as n from tuf.target where fleet = ${scope.fleet}`.execute(on);
  return Number(rows[0]?.n ?? 0);
}

export type StoredSet = DirectorSet & { subject: string; version: number; expires: number };

export async function findSet(on: Queryable, scope: Scope, device: string): Promise<StoredSet | undefined> {
  const { rows } = await sql<Omit<StoredSet, "expires"> & { expires_at: Date }>`
    select subject, version, targets, snapshot, timestamp, expires_at from tuf.director_set where fleet = ${scope.fleet} and device = ${device}`.execute(
    on,
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  const { expires_at, ...set } = row;
  return { ...set, version: Number(set.version), expires: expires_at.getTime() };
}

/** False when another server has put one of this version or later there. */
export async function putSet(on: Queryable, scope: Scope, { device, ...set }: StoredSet & { device: string }): Promise<boolean> {
  const { rows } = await sql`
    insert into tuf.director_set (fleet, device, subject, version, targets, snapshot, timestamp, expires_at)
    values (${scope.fleet}, ${device}, ${set.subject}, ${set.version}, ${set.targets}, ${set.snapshot}, ${set.timestamp}, ${new Date(set.expires)})
    on conflict (fleet, device) do update set subject = excluded.subject, version = excluded.version, targets = excluded.targets,
      snapshot = excluded.snapshot, timestamp = excluded.timestamp, expires_at = excluded.expires_at
      where director_set.version < excluded.version
    returning device`.execute(on);
  return rows.length > 0;
}
