import type { Scope } from "@tenfold/base";
import type { Actor, AuditEntry } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Clock, Database, Queryable, Transaction } from "../kernel/index.ts";
import { type ChainHead, chainStart, followChain, plainDetail, type Sealed, sealOf } from "./chain.ts";
import { sha256 } from "./secrets.shell.ts";

/** What a caller says about a change. */
export type Change = {
  actor: Actor;
  action: string;
  subject: { kind: string; id: string };
  detail: Readonly<Record<string, unknown>>;
};

// Held from an append to the end of its transaction: the next entry must know the hash of this one.
const appendLock = 7_303_014_462;

/** Appends to the trail. Waits for other transactions that have appended and not ended. */
export const append = (tx: Transaction, scope: Scope, { clock, change }: { clock: Clock; change: Change }): Promise<void> =>
  appendAll(tx, scope, { clock, changes: [change] });

/** The same for many changes of one moment, in their order. */
export async function appendAll(
  tx: Transaction,
  scope: Scope,
  { clock, changes }: { clock: Clock; changes: readonly Change[] },
): Promise<void> {
  if (changes.length === 0) return;
  await sql`select pg_advisory_xact_lock(${appendLock})`.execute(tx);
  let head = await readHead(tx);
  const at = new Date(clock.now()).toISOString();
  const rows = changes.map(({ detail, ...change }) => {
    const entry = { seq: head.seq + 1, fleet: scope.fleet, at, ...change, detail: plainDetail(detail) };
    head = { seq: entry.seq, hash: sealOf(head.hash, entry, sha256) };
    return { ...entry, kind: entry.subject.kind, id: entry.subject.id, hash: head.hash };
  });
  await sql`insert into access.audit_entry (seq, fleet, at, actor, action, subject_kind, subject_id, detail, hash)
    select seq, fleet, at, actor, action, kind, id, detail, hash from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
      as given (seq bigint, fleet text, at timestamptz, actor jsonb, action text, kind text, id text, detail jsonb, hash text)
    order by seq`.execute(tx);
}

async function readHead(db: Queryable): Promise<ChainHead> {
  const { rows } = await sql<ChainHead>`select seq, hash from access.audit_entry order by seq desc limit 1`.execute(db);
  return rows[0] ?? { seq: 0, hash: chainStart };
}

type Row = {
  seq: number;
  fleet: string;
  at: Date;
  actor: Actor;
  action: string;
  subject_kind: string;
  subject_id: string;
  detail: Sealed["detail"];
  hash: string;
};

const sealedOf = ({ seq, fleet, at, actor, action, subject_kind: kind, subject_id: id, detail, hash }: Row): Sealed => ({
  seq,
  fleet,
  at: at.toISOString(),
  actor,
  action,
  subject: { kind, id },
  detail,
  hash,
});

export type TrailVerdict = { entries: number; intact: boolean; brokenAt?: number; head: string };

const pageSize = 1_000;

/** Recomputes the whole chain, a page at a time. `entries` counts those that are good. */
export async function verifyTrail(db: Database): Promise<TrailVerdict> {
  let head: ChainHead = { seq: 0, hash: chainStart };
  for (;;) {
    const { rows } =
      await sql<Row>`select * from access.audit_entry where seq > ${head.seq} order by seq limit ${pageSize}`.execute(db);
    const verdict = followChain(head, rows.map(sealedOf), sha256);
    head = verdict.head;
    if (verdict.is === "broken") return { entries: head.seq, intact: false, brokenAt: verdict.at, head: head.hash };
    if (rows.length < pageSize) return { entries: head.seq, intact: true, head: head.hash };
  }
}

export type TrailQuestion = { limit: number; before?: number; action?: string; subject?: string };

/** Newest first. `before` is a sequence number, `action` and `subject` (an id) are exact. */
export async function listTrail(
  db: Queryable,
  scope: Scope,
  { limit, before, action, subject }: TrailQuestion,
): Promise<AuditEntry[]> {
  const { rows } = await sql<Row>`select * from access.audit_entry
    where fleet = ${scope.fleet} and seq < coalesce(${before ?? null}::bigint, 9223372036854775807)
      and (${action ?? null}::text is null or action = ${action ?? null}) and (${subject ?? null}::text is null or subject_id = ${subject ?? null})
    order by seq desc limit ${limit}`.execute(db);
  return rows.map((row) => {
    const { fleet: _, ...entry } = sealedOf(row);
    // The contract's Json is written as mutable; nobody changes an entry.
    return entry as AuditEntry;
  });
}
