import type { Scope } from "@tenfold/base";
import { entryHashOf, type LogHead, logStart, type SealedEntry, sealEntry } from "@tenfold/pki";
import { sql } from "kysely";
import type { Database, Queryable, Transaction } from "../kernel/index.ts";

type Row = {
  id: string;
  fleet: string;
  at: Date;
  serial: string | null;
  device: string | null;
  operation: string;
  method: string;
  verdict: string;
  step: string;
  because: string;
  reason: string;
  fix: string | null;
  remote_address: string | null;
  fingerprint: string | null;
};

const columns = sql`a.id, a.fleet, a.at, a.serial, a.device, a.operation, a.method, a.verdict, a.step, a.because, a.reason, a.fix, a.remote_address, a.fingerprint`;

/** What is sealed of an entry: everything but how often it repeated, which is counted up for a while. */
function entryOf({ at, remote_address, ...row }: Row): Record<string, string> {
  const entry: Record<string, string | null> = { ...row, at: at.toISOString(), remoteAddress: remote_address };
  return Object.fromEntries(Object.entries(entry).flatMap(([name, value]) => (value === null ? [] : [[name, value]])));
}

const atOnce = 2_000;
// Held while entries are sealed: two servers must not continue from the same head.
const sealLock = 7_303_014_463;

/** Seals what is not sealed yet, in the order of ids in each fleet; says how many. Safe to stop at any line and to run twice. */
export async function sealLog(db: Database): Promise<number> {
  for (let sealed = 0; ; ) {
    const now = await db.transaction().execute(sealSome);
    sealed += now;
    if (now < atOnce) return sealed;
  }
}

async function sealSome(tx: Transaction): Promise<number> {
  await sql`select pg_advisory_xact_lock(${sealLock})`.execute(tx);
  const { rows } = await sql<Row>`
    select ${columns} from enrollment.attempt a where not sealed order by fleet, id limit ${atOnce} for update`.execute(tx);
  for (const [fleet, entries] of Map.groupBy(rows, (row) => row.fleet)) await sealFleet(tx, { fleet, entries });
  const ids = rows.map(({ id }) => id);
  await sql`update enrollment.attempt set sealed = true where id = any(${ids}::text[])`.execute(tx);
  return rows.length;
}

async function sealFleet(tx: Transaction, { fleet, entries }: { fleet: string; entries: readonly Row[] }): Promise<void> {
  let head = await headOf(tx, { fleet });
  const seals = entries.map((row) => {
    const entryHash = entryHashOf(entryOf(row));
    head = sealEntry(head, entryHash);
    return { attempt: row.id, entryHash, ...head };
  });
  await sql`
    insert into identity.log_seal (fleet, seq, attempt, entry_hash, hash)
    select ${fleet}, seq, attempt, entry_hash, hash
    from unnest(${seals.map(({ seq }) => seq)}::bigint[], ${seals.map(({ attempt }) => attempt)}::text[],
      ${seals.map(({ entryHash }) => entryHash)}::text[], ${seals.map(({ hash }) => hash)}::text[]) as given (seq, attempt, entry_hash, hash)`.execute(
    tx,
  );
}

async function headOf(db: Queryable, { fleet }: Scope): Promise<LogHead> {
  const { rows } = await sql<LogHead>`
    select seq, hash from identity.log_seal where fleet = ${fleet} order by seq desc limit 1`.execute(db);
  return rows[0] ?? logStart;
}

/** The sealed log of a fleet after an entry, oldest first, as it is exported. */
export async function readSealedLog(db: Queryable, scope: Scope, page: { after: number; limit: number }): Promise<SealedEntry[]> {
  const { rows } = await sql<Row & { seq: number; entry_hash: string; hash: string; known: string | null }>`
    select s.seq, s.entry_hash, s.hash, a.id as known, ${columns}
    from identity.log_seal s left join enrollment.attempt a on a.id = s.attempt
    where s.fleet = ${scope.fleet} and s.seq > ${page.after} order by s.seq limit ${page.limit}`.execute(db);
  return rows.map(({ seq, entry_hash: entryHash, hash, known, ...row }) => ({
    seq,
    entryHash,
    hash,
    ...(known === null ? {} : { entry: entryOf(row) }),
  }));
}
