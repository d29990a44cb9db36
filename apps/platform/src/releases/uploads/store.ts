import type { Scope } from "@tenfold/base";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../../kernel/index.ts";

/** An artifact on its way in. Times in ms since 1970. */
export type Upload = {
  id: string;
  actor: string;
  sha256: string;
  size: number;
  received: number;
  createdAt: number;
  expiresAt: number;
  completed: boolean;
};

type Row = {
  id: string;
  actor: string;
  sha256: string;
  size: number;
  received: number;
  created_at: Date;
  expires_at: Date;
  completed_at: Date | null;
};

const columns = sql.raw("id, actor, sha256, size, received, created_at, expires_at, completed_at");

const uploadOf = ({ created_at, expires_at, completed_at, ...row }: Row): Upload => ({
  ...row,
  createdAt: created_at.getTime(),
  expiresAt: expires_at.getTime(),
  completed: completed_at !== null,
});

export async function findUpload(on: Queryable, scope: Scope, id: string): Promise<Upload | undefined> {
  const { rows } = await sql<Row>`select ${columns} from releases.upload where fleet = ${scope.fleet} and id = ${id}`.execute(on);
  return rows[0] && uploadOf(rows[0]);
}

export async function findOpenUpload(
  on: Queryable,
  scope: Scope,
  { actor, sha256 }: { actor: string; sha256: string },
): Promise<Upload | undefined> {
  const { rows } = await sql<Row>`
    select ${columns} from releases.upload
    where fleet = ${scope.fleet} and actor = ${actor} and sha256 = ${sha256} and completed_at is null`.execute(on);
  return rows[0] && uploadOf(rows[0]);
}

/** The ones that still wait for bytes, oldest first. */
export async function openUploads(on: Queryable, scope: Scope): Promise<Upload[]> {
  const { rows } = await sql<Row>`
    select ${columns} from releases.upload where fleet = ${scope.fleet} and completed_at is null order by id limit 1000`.execute(
    on,
  );
  return rows.map(uploadOf);
}

/** One creation at a time in a fleet, so that two cannot both take the last of the quota. */
export async function lockQuota(tx: Transaction, scope: Scope): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`releases.upload/${scope.fleet}`}, 0))`.execute(tx);
}

export async function insertUpload(tx: Transaction, scope: Scope, upload: Upload): Promise<void> {
  const { id, actor, sha256, size, received, createdAt, expiresAt, completed } = upload;
  await sql`
    insert into releases.upload (fleet, id, actor, sha256, size, received, created_at, expires_at, completed_at)
    values (${scope.fleet}, ${id}, ${actor}, ${sha256}, ${size}, ${received}, ${new Date(createdAt)}, ${new Date(expiresAt)},
            ${completed ? new Date(createdAt) : null})`.execute(tx);
}

export type Part = { at: number; sha256: string; size: number };

/** Nothing where the upload is over: what is stored all the same has lost, and is removed by who stored it. */
export async function insertPart(on: Queryable, upload: string, { at, sha256, size }: Part): Promise<void> {
  await sql`
    insert into releases.upload_part (upload, at, sha256, size)
    select id, ${at}, ${sha256}, ${size} from releases.upload where id = ${upload} and completed_at is null on conflict do nothing`.execute(
    on,
  );
}

export async function deletePart(on: Queryable, upload: string, { at, sha256 }: Part): Promise<void> {
  await sql`delete from releases.upload_part where upload = ${upload} and at = ${at} and sha256 = ${sha256} and stored_at is null`.execute(
    on,
  );
}

export type Step = { id: string; from: number; to: number; at: number };

/** Moves the upload on; false when somebody else did, or when it is over. */
export async function advance(tx: Transaction, { id, from, to, at }: Step, over: { expiresAt: number }): Promise<boolean> {
  const { rows } = await sql`
    update releases.upload set received = ${to}, expires_at = ${new Date(over.expiresAt)}, completed_at = case when ${to}::bigint = size then ${new Date(at)}::timestamptz end
    where id = ${id} and received = ${from} and completed_at is null returning id`.execute(tx);
  return rows.length > 0;
}

export async function markPartStored(tx: Transaction, upload: string, { at, sha256, now }: Part & { now: number }): Promise<void> {
  await sql`update releases.upload_part set stored_at = ${new Date(now)} where upload = ${upload} and at = ${at} and sha256 = ${sha256}`.execute(
    tx,
  );
}

/** In the order of their places. `stored`: only those that count. */
export async function partsOf(on: Queryable, upload: string, which: "stored" | "all"): Promise<Part[]> {
  const { rows } = await sql<Part>`
    select at, sha256, size from releases.upload_part where upload = ${upload} and (stored_at is not null or ${which === "all"}) order by at`.execute(
    on,
  );
  return rows;
}

/** Nothing is taken for it any more. */
export async function closeUpload(on: Queryable, { id, at }: { id: string; at: number }): Promise<void> {
  await sql`update releases.upload set completed_at = coalesce(completed_at, ${new Date(at)}) where id = ${id}`.execute(on);
}

export async function deleteUpload(on: Queryable, id: string): Promise<void> {
  await sql`delete from releases.upload where id = ${id}`.execute(on);
}

export async function deleteParts(on: Queryable, upload: string): Promise<void> {
  await sql`delete from releases.upload_part where upload = ${upload}`.execute(on);
}

/** Whatever its fleet, oldest first. */
export async function expiredUploads(on: Queryable, { at, limit }: { at: number; limit: number }): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from releases.upload where expires_at <= ${new Date(at)} order by expires_at limit ${limit}`.execute(on);
  return rows.map(({ id }) => id);
}
