import { hours, minutes } from "@tenfold/base";
import { sql } from "kysely";
import type { Database } from "../postgres/index.ts";

/** Who asks for what. A key belongs to its actor: two who choose the same one do not meet. */
export type Claim = { fleet: string; actor: string; key: string; operation: string; requestSha256: Buffer; at: Date };

/** What stands under a key: no status while the first request is at work, no answer where it held a secret. */
export type Kept = { operation: string; requestSha256: Buffer; status: number | null; answer: string | null };

/** How long an answer is kept. */
export const keptMs = hours(24);
/** A request that has not ended by then died with its server: no request takes so long. */
export const longestMs = minutes(2);

/**
 * Takes the key for this request, or says what stands under it. A key that is older than a day is free again, and so is one whose
 * request died, for the same request. Resolves to `taken` for exactly one of those who ask at the same time.
 */
export async function claim(db: Database, { fleet, actor, key, operation, requestSha256, at }: Claim): Promise<"taken" | Kept> {
  const [forgotten, dead] = [new Date(at.getTime() - keptMs), new Date(at.getTime() - longestMs)];
  const { rows: taken } =
    await sql`insert into kernel.idempotency_key as old (fleet, actor, key, operation, request_sha256, claimed_at)
    values (${fleet}, ${actor}, ${key}, ${operation}, ${requestSha256}, ${at})
    on conflict (fleet, actor, key) do update
      set operation = excluded.operation, request_sha256 = excluded.request_sha256, claimed_at = excluded.claimed_at, status = null, answer = null
      where old.claimed_at < ${forgotten} or (old.status is null and old.claimed_at < ${dead}
        and old.operation = excluded.operation and old.request_sha256 = excluded.request_sha256)
    returning 1`.execute(db);
  if (taken.length > 0) return "taken";
  const { rows } = await sql<Kept>`select operation, request_sha256 as "requestSha256", status, answer from kernel.idempotency_key
    where fleet = ${fleet} and actor = ${actor} and key = ${key}`.execute(db);
  // Given back between the two statements: the caller asks again, as for a request that is at work.
  return rows[0] ?? { operation, requestSha256, status: null, answer: null };
}

/** Keeps the answer under the key that `claim` took; nothing when somebody has taken it over. */
export async function keep(db: Database, { fleet, actor, key, at }: Claim, done: { status: number; answer: string | null }) {
  await sql`update kernel.idempotency_key set status = ${done.status}, answer = ${done.answer}
    where fleet = ${fleet} and actor = ${actor} and key = ${key} and claimed_at = ${at}`.execute(db);
}

/** Gives a key back, so that the same request can be tried again. */
export async function giveBack(db: Database, { fleet, actor, key, at }: Claim): Promise<void> {
  await sql`delete from kernel.idempotency_key
    where fleet = ${fleet} and actor = ${actor} and key = ${key} and claimed_at = ${at} and status is null`.execute(db);
}

export async function forgetOld(db: Database, now: number): Promise<void> {
  await sql`delete from kernel.idempotency_key where claimed_at < ${new Date(now - keptMs)}`.execute(db);
}
