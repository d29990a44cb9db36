import type { Scope } from "@tenfold/base";
import { sql } from "kysely";
import type { Queryable } from "../../kernel/index.ts";

/** Bytes have one place, whatever fleets know them: what is found out about them holds for each. Times in ms. */
export type Bytes = { sha256: string; size: number; checkedAt?: number };

const after = (at: number | undefined) =>
  sql`checked_at is not distinct from ${at === undefined ? null : new Date(at)}::timestamptz`;

/** The bytes that were checked longest ago, and never first; undefined where all were checked since. */
export async function nextToCheck(on: Queryable, before: number): Promise<Bytes | undefined> {
  const { rows } = await sql<{ sha256: string; size: number; checked_at: Date | null }>`
    select sha256, size, checked_at from releases.artifact
    where damaged_at is null and (checked_at is null or checked_at < ${new Date(before)})
    order by checked_at nulls first, sha256 limit 1`.execute(on);
  const [row] = rows;
  return row && { sha256: row.sha256, size: Number(row.size), ...(row.checked_at ? { checkedAt: row.checked_at.getTime() } : {}) };
}

/** They were those of their name. Nothing where they were checked or sent again meanwhile. */
export async function markSound(on: Queryable, { sha256, checkedAt }: Bytes, at: number): Promise<void> {
  await sql`update releases.artifact set checked_at = ${new Date(at)} where sha256 = ${sha256} and damaged_at is null and ${after(checkedAt)}`.execute(
    on,
  );
}

/** True when this call noted it first. Not where the bytes were sent again after they had begun to be read. */
export async function markDamaged(
  on: Queryable,
  { sha256, checkedAt }: Bytes,
  { at, damage }: { at: number; damage: string },
): Promise<boolean> {
  const { rows } = await sql`
    update releases.artifact set damaged_at = ${new Date(at)}, damage = ${damage}
    where sha256 = ${sha256} and damaged_at is null and ${after(checkedAt)} returning sha256`.execute(on);
  return rows.length > 0;
}

/** The bytes came again and are right. True where they were known to be damaged. */
export async function markMended(on: Queryable, { sha256, at }: { sha256: string; at: number }): Promise<boolean> {
  const { rows } = await sql`
    update releases.artifact set damaged_at = null, damage = null, checked_at = ${new Date(at)}
    where sha256 = ${sha256} and damaged_at is not null returning sha256`.execute(on);
  return rows.length > 0;
}

export type DamagedArtifact = { sha256: string; since: number; damage: string; releases: string[] };

/** What is damaged, with the releases that stand on it (`pump 2.0.0`). */
export async function damagedArtifacts(on: Queryable, scope: Scope): Promise<DamagedArtifact[]> {
  const { rows } = await sql<{ sha256: string; damaged_at: Date; damage: string | null; releases: string[] }>`
    select a.sha256, a.damaged_at, a.damage, array(select r.name || ' ' || r.version from releases.release r
      where r.fleet = a.fleet and r.sha256 = a.sha256 order by r.id desc limit 10) as releases
    from releases.artifact a where a.fleet = ${scope.fleet} and a.damaged_at is not null order by a.damaged_at, a.sha256 limit 100`.execute(
    on,
  );
  return rows.map(({ sha256, damaged_at, damage, releases }) => ({
    sha256,
    since: damaged_at.getTime(),
    damage: damage ?? "",
    releases,
  }));
}
