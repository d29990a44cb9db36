import type { Scope } from "@tenfold/base";
import type { Actor, Crash, CrashKind, CrashSignature } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { Exposure } from "./deps.ts";
import type { Signature } from "./signature.ts";

type Row = {
  id: string;
  device: string;
  kind: CrashKind;
  sha256: string;
  size: number;
  boot_id: string | null;
  version: string | null;
  build: string | null;
  received_at: Date;
  signature: string;
  title: string;
  frames: string[];
  rollout: string | null;
  deployment: string | null;
  release: string | null;
  keep_until: Date | null;
  removed_at: Date | null;
};

const crashOf = (row: Row): Crash => ({
  id: row.id,
  device: row.device,
  kind: row.kind,
  sha256: row.sha256,
  size: row.size,
  receivedAt: row.received_at.toISOString(),
  signature: row.signature,
  title: row.title,
  frames: row.frames,
  pinned: row.keep_until === null && row.removed_at === null,
  ...(row.boot_id === null ? {} : { bootId: row.boot_id }),
  ...(row.version === null ? {} : { version: row.version }),
  ...(row.build === null ? {} : { build: row.build }),
  ...(row.rollout === null ? {} : { rollout: row.rollout }),
  ...(row.deployment === null ? {} : { deployment: row.deployment }),
  ...(row.release === null ? {} : { release: row.release }),
  ...(row.keep_until === null ? {} : { keepUntil: row.keep_until.toISOString() }),
  ...(row.removed_at === null ? {} : { removedAt: row.removed_at.toISOString() }),
});

export type NewCrash = {
  id: string;
  device: string;
  kind: CrashKind;
  sha256: string;
  size: number;
  bootId?: string | undefined;
  version?: string | undefined;
  build?: string | undefined;
  receivedAt: number;
  exposure?: Exposure | undefined;
  keepUntil: number;
} & Signature;

/** The same bytes of the same device are one crash, however often they are sent. Answers the one that stands. */
export async function insertCrash(tx: Transaction, scope: Scope, crash: NewCrash): Promise<{ crash: Crash; created: boolean }> {
  const { exposure } = crash;
  const keep = exposure === undefined ? new Date(crash.keepUntil) : null;
  const inserted = await sql<Row>`
    insert into crashes.crash (fleet, id, device, kind, sha256, size, boot_id, version, build, received_at, signature, title, frames, rollout, deployment, release, keep_until)
    values (${scope.fleet}, ${crash.id}, ${crash.device}, ${crash.kind}, ${crash.sha256}, ${crash.size}, ${crash.bootId ?? null}, ${crash.version ?? exposure?.version ?? null},
      ${crash.build ?? null}, ${new Date(crash.receivedAt)}, ${crash.signature}, ${crash.title}, ${crash.frames}::text[], ${exposure?.rollout ?? null}, ${exposure?.deployment ?? null},
      ${exposure?.release ?? null}, ${keep})
    on conflict (fleet, device, kind, sha256) do update set removed_at = null, keep_until = case when crashes.crash.removed_at is null then crashes.crash.keep_until else excluded.keep_until end
    returning *, xmax = 0 as created`.execute(tx);
  const [row] = inserted.rows as (Row & { created: boolean })[];
  if (row === undefined) throw new Error("The statement returned no row.");
  return { crash: crashOf(row), created: row.created };
}

export async function findCrash(on: Queryable, scope: Scope, id: string): Promise<Crash | undefined> {
  const { rows } = await sql<Row>`select * from crashes.crash where fleet = ${scope.fleet} and id = ${id}`.execute(on);
  return rows[0] && crashOf(rows[0]);
}

export async function findSame(
  on: Queryable,
  scope: Scope,
  { device, kind, sha256 }: Pick<NewCrash, "device" | "kind" | "sha256">,
): Promise<Crash | undefined> {
  const { rows } = await sql<Row>`select * from crashes.crash
    where fleet = ${scope.fleet} and device = ${device} and kind = ${kind} and sha256 = ${sha256} and removed_at is null`.execute(
    on,
  );
  return rows[0] && crashOf(rows[0]);
}

/** How many a device has sent since then, and how many bytes. */
export async function sentSince(
  on: Queryable,
  scope: Scope,
  { device, since }: { device: string; since: number },
): Promise<{ crashes: number; bytes: number }> {
  const { rows } = await sql<{ crashes: number; bytes: number }>`
    select count(*)::int as crashes, coalesce(sum(size), 0)::float8 as bytes from crashes.crash
    where fleet = ${scope.fleet} and device = ${device} and received_at > ${new Date(since)}`.execute(on);
  return rows[0] ?? { crashes: 0, bytes: 0 };
}

export type CrashFilter = {
  device?: string | undefined;
  rollout?: string | undefined;
  release?: string | undefined;
  signature?: string | undefined;
};

const matching = ({ device, rollout, release, signature }: CrashFilter) => sql`
  (${device ?? null}::text is null or device = ${device ?? null}) and (${rollout ?? null}::text is null or rollout = ${rollout ?? null})
  and (${release ?? null}::text is null or release = ${release ?? null}) and (${signature ?? null}::text is null or signature = ${signature ?? null})`;

/** Newest first, below `before` (an id; ids sort by age). */
export async function pageOfCrashes(
  on: Queryable,
  scope: Scope,
  { limit, before, ...filter }: CrashFilter & { limit: number; before?: string | undefined },
): Promise<Crash[]> {
  const { rows } = await sql<Row>`select * from crashes.crash where fleet = ${scope.fleet} and ${matching(filter)}
    and (${before ?? null}::text is null or id < ${before ?? null}) order by id desc limit ${limit}`.execute(on);
  return rows.map(crashOf);
}

/** Those on the most devices first. One fault of two builds is two: a build may be better than the last. */
export async function signaturesOf(
  on: Queryable,
  scope: Scope,
  filter: CrashFilter & { limit: number },
): Promise<CrashSignature[]> {
  type Group = {
    signature: string;
    title: string;
    frames: string[];
    version: string | null;
    build: string | null;
    crashes: number;
    devices: number;
    first: Date;
    last: Date;
    example: string;
  };
  // A signature is made of the frames, so they are one group; aggregates of arrays refuse empty ones, which a crash without a trace has.
  const { rows } = await sql<Group>`
    select signature, min(title) as title, frames, version, build, count(*)::int as crashes, count(distinct device)::int as devices,
      min(received_at) as first, max(received_at) as last, min(id) as example
    from crashes.crash where fleet = ${scope.fleet} and ${matching(filter)} group by signature, frames, version, build order by devices desc, crashes desc, signature limit ${filter.limit}`.execute(
    on,
  );
  return rows.map(({ first, last, version, build, ...row }) => ({
    ...row,
    firstAt: first.toISOString(),
    lastAt: last.toISOString(),
    ...(version === null ? {} : { version }),
    ...(build === null ? {} : { build }),
  }));
}

/** Lets what a rollout pinned go. Resolves to how many there were. */
export async function unpin(
  tx: Transaction,
  scope: Scope,
  { rollout, actor, reason, at, keepUntil }: { rollout: string; actor: Actor; reason: string; at: number; keepUntil: number },
): Promise<number> {
  const done = await sql`
    update crashes.crash set keep_until = ${new Date(keepUntil)}, released_at = ${new Date(at)}, released_by = ${JSON.stringify(actor)}::jsonb, release_reason = ${reason}
    where fleet = ${scope.fleet} and rollout = ${rollout} and keep_until is null and removed_at is null`.execute(tx);
  return Number(done.numAffectedRows ?? 0);
}

/** Bytes are put, recorded and removed one after the other, hash by hash: a removal never takes what has just been sent again. */
export async function lockBytes(tx: Transaction, sha256: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`crashes/${sha256}`}, 0))`.execute(tx);
}

export async function dueCrashes(
  on: Queryable,
  { at, limit }: { at: number; limit: number },
): Promise<{ scope: Scope; id: string; sha256: string }[]> {
  const { rows } = await sql<{ fleet: string; id: string; sha256: string }>`
    select fleet, id, sha256 from crashes.crash where removed_at is null and keep_until <= ${new Date(at)} order by keep_until limit ${limit}`.execute(
    on,
  );
  return rows.map(({ fleet, ...row }) => ({ ...row, scope: { fleet } }));
}

/** Writes down that the bytes are given up; resolves to whether nobody else needs them. */
export async function markRemoved(
  tx: Transaction,
  scope: Scope,
  { id, sha256, at }: { id: string; sha256: string; at: number },
): Promise<boolean> {
  await sql`update crashes.crash set removed_at = ${new Date(at)} where fleet = ${scope.fleet} and id = ${id} and keep_until <= ${new Date(at)}`.execute(
    tx,
  );
  const { rows } = await sql<{
    n: number;
  }>`select count(*)::int as n from crashes.crash where sha256 = ${sha256} and removed_at is null`.execute(tx);
  return rows[0]?.n === 0;
}
