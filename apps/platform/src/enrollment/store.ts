import { newId, type Scope } from "@tenfold/base";
import { type EnrollmentAttempt, enrollmentAttempt, type PendingEnrollment, type TrustAnchor } from "@tenfold/contracts";
import { readCertificate } from "@tenfold/pki";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { CodeFacts } from "./code.ts";
import type { TrustedAnchor } from "./identify.ts";

/** Makes everything that concerns one serial number wait its turn, on all servers, until the transaction ends. */
export async function lockSerial(tx: Transaction, scope: Scope, serial: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`enrollment/${scope.fleet}/${serial}`}, 0))`.execute(tx);
}

type AnchorRow = {
  id: string;
  fleet: string;
  name: string;
  certificate: Buffer;
  fingerprint: string;
  subject: string;
  not_after: Date;
  unknown_devices: "approve" | "refuse";
  manifests: "any" | "signed";
  created_at: Date;
};

const anchorColumns = sql`id, fleet, name, certificate, fingerprint, subject, not_after, unknown_devices, manifests, created_at`;

/** The anchors of all fleets: a device that enrolls does not say which fleet it means. */
export async function loadTrust(db: Queryable): Promise<TrustedAnchor[]> {
  const { rows } = await sql<AnchorRow>`select ${anchorColumns} from enrollment.trust_anchor order by id`.execute(db);
  return rows.map((row) => ({
    id: row.id,
    fleet: row.fleet,
    name: row.name,
    unknownDevices: row.unknown_devices,
    manifests: row.manifests,
    certificate: readCertificate(row.certificate),
  }));
}

/** An anchor without the keys for its manifests, which stand in a table of their own. */
type Anchor = Omit<TrustAnchor, "manifestKeys">;

const toAnchor = (row: AnchorRow): Anchor => ({
  id: row.id,
  name: row.name,
  subject: row.subject,
  fingerprint: row.fingerprint,
  notAfter: row.not_after.toISOString(),
  unknownDevices: row.unknown_devices,
  manifests: row.manifests,
  createdAt: row.created_at.toISOString(),
});

export async function listAnchors(db: Queryable, scope: Scope): Promise<Anchor[]> {
  const { rows } =
    await sql<AnchorRow>`select ${anchorColumns} from enrollment.trust_anchor where fleet = ${scope.fleet} order by id`.execute(db);
  return rows.map(toAnchor);
}

export type NewAnchor = {
  id: string;
  name: string;
  der: Buffer;
  fingerprint: string;
  subject: string;
  notAfter: number;
  unknownDevices: "approve" | "refuse";
  manifests: "any" | "signed";
  createdAt: number;
};

/** Undefined when this certificate is trusted already. */
export async function insertAnchor(tx: Transaction, scope: Scope, anchor: NewAnchor): Promise<Anchor | undefined> {
  const { rows } = await sql<AnchorRow>`
    insert into enrollment.trust_anchor (id, fleet, name, certificate, fingerprint, subject, not_after, unknown_devices, manifests, created_at)
    values (${anchor.id}, ${scope.fleet}, ${anchor.name}, ${anchor.der}, ${anchor.fingerprint}, ${anchor.subject}, ${new Date(anchor.notAfter)},
      ${anchor.unknownDevices}, ${anchor.manifests}, ${new Date(anchor.createdAt)})
    on conflict (fleet, fingerprint) do nothing returning ${anchorColumns}`.execute(tx);
  return rows[0] && toAnchor(rows[0]);
}

export async function findAnchor(db: Queryable, scope: Scope, id: string): Promise<Anchor | undefined> {
  const { rows } =
    await sql<AnchorRow>`select ${anchorColumns} from enrollment.trust_anchor where fleet = ${scope.fleet} and id = ${id}`.execute(
      db,
    );
  return rows[0] && toAnchor(rows[0]);
}

/** Changes what is given of an anchor's policy. */
export async function updateAnchor(
  tx: Transaction,
  scope: Scope,
  { id, unknownDevices, manifests }: { id: string } & Partial<Pick<NewAnchor, "unknownDevices" | "manifests">>,
): Promise<Anchor | undefined> {
  const { rows } = await sql<AnchorRow>`
    update enrollment.trust_anchor
    set unknown_devices = coalesce(${unknownDevices ?? null}, unknown_devices), manifests = coalesce(${manifests ?? null}, manifests)
    where fleet = ${scope.fleet} and id = ${id} returning ${anchorColumns}`.execute(tx);
  return rows[0] && toAnchor(rows[0]);
}

export async function deleteAnchor(tx: Transaction, scope: Scope, id: string): Promise<Anchor | undefined> {
  const { rows } =
    await sql<AnchorRow>`delete from enrollment.trust_anchor where fleet = ${scope.fleet} and id = ${id} returning ${anchorColumns}`.execute(
      tx,
    );
  return rows[0] && toAnchor(rows[0]);
}

type CodeRow = {
  id: string;
  fleet: string;
  salt: Buffer;
  hash: Buffer;
  expires_at: Date;
  wrong_attempts: number;
  used_at: Date | null;
};

/** The newest code of a serial number, in any fleet. */
export async function findCode(db: Queryable, serial: string): Promise<(CodeFacts & { fleet: string }) | undefined> {
  const { rows } = await sql<CodeRow>`
    select id, fleet, salt, hash, expires_at, wrong_attempts, used_at from enrollment.one_time_code where serial = ${serial} order by id desc limit 1`.execute(
    db,
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  return {
    id: row.id,
    fleet: row.fleet,
    salt: row.salt,
    hash: row.hash,
    expiresAt: row.expires_at.getTime(),
    wrongAttempts: row.wrong_attempts,
    usedAt: row.used_at?.getTime(),
  };
}

export async function insertCode(
  tx: Transaction,
  scope: Scope,
  code: { id: string; serial: string; salt: Buffer; hash: Buffer; at: number; expiresAt: number },
): Promise<void> {
  await sql`
    insert into enrollment.one_time_code (id, fleet, serial, salt, hash, created_at, expires_at)
    values (${code.id}, ${scope.fleet}, ${code.serial}, ${code.salt}, ${code.hash}, ${new Date(code.at)}, ${new Date(code.expiresAt)})`.execute(
    tx,
  );
}

export async function countWrongCode(tx: Transaction, id: string): Promise<void> {
  await sql`update enrollment.one_time_code set wrong_attempts = wrong_attempts + 1 where id = ${id}`.execute(tx);
}

export async function spendCode(tx: Transaction, { id, at }: { id: string; at: number }): Promise<void> {
  await sql`update enrollment.one_time_code set used_at = ${new Date(at)} where id = ${id} and used_at is null`.execute(tx);
}

type PendingRow = {
  id: string;
  serial: string;
  key_fingerprint: string;
  anchor: string | null;
  state: "waiting" | "approved" | "rejected";
  first_seen_at: Date;
  last_seen_at: Date;
  attempts: number;
};

const pendingColumns = sql`id, serial, key_fingerprint, anchor, state, first_seen_at, last_seen_at, attempts`;

const toPending = (row: PendingRow): PendingEnrollment => ({
  id: row.id,
  serial: row.serial,
  ...(row.anchor === null ? {} : { anchor: row.anchor }),
  keyFingerprint: row.key_fingerprint,
  firstSeenAt: row.first_seen_at.toISOString(),
  lastSeenAt: row.last_seen_at.toISOString(),
  attempts: row.attempts,
});

export type PendingKey = { serial: string; keyFingerprint: string };

export async function findApproval(
  tx: Transaction,
  scope: Scope,
  { serial, keyFingerprint }: PendingKey,
): Promise<PendingRow["state"] | undefined> {
  const { rows } = await sql<PendingRow>`
    select ${pendingColumns} from enrollment.pending where fleet = ${scope.fleet} and serial = ${serial} and key_fingerprint = ${keyFingerprint}`.execute(
    tx,
  );
  return rows[0]?.state;
}

/** Puts a device into the queue, or notes that it asked again. */
export async function enqueue(
  tx: Transaction,
  scope: Scope,
  { serial, keyFingerprint, anchor, at }: PendingKey & { anchor: string; at: number },
): Promise<void> {
  const now = new Date(at);
  await sql`
    insert into enrollment.pending (id, fleet, serial, key_fingerprint, anchor, state, first_seen_at, last_seen_at)
    values (${newId("pen", at)}, ${scope.fleet}, ${serial}, ${keyFingerprint}, ${anchor}, 'waiting', ${now}, ${now})
    on conflict (fleet, serial, key_fingerprint) do update set last_seen_at = excluded.last_seen_at, attempts = enrollment.pending.attempts + 1`.execute(
    tx,
  );
}

export async function listPending(db: Queryable, scope: Scope): Promise<PendingEnrollment[]> {
  const { rows } = await sql<PendingRow>`
    select ${pendingColumns} from enrollment.pending where fleet = ${scope.fleet} and state = 'waiting' order by first_seen_at limit 1000`.execute(
    db,
  );
  return rows.map(toPending);
}

/** Decides a waiting enrollment. `decided` says that somebody was quicker; undefined that there is none of this id. */
export async function decidePending(
  tx: Transaction,
  scope: Scope,
  { id, state, reason, at }: { id: string; state: "approved" | "rejected"; reason?: string; at: number },
): Promise<PendingEnrollment | "decided" | undefined> {
  const { rows } = await sql<PendingRow>`
    update enrollment.pending set state = ${state}, reason = ${reason ?? null}, decided_at = ${new Date(at)}
    where fleet = ${scope.fleet} and id = ${id} and state = 'waiting' returning ${pendingColumns}`.execute(tx);
  if (rows[0] !== undefined) return toPending(rows[0]);
  const known = await sql`select 1 from enrollment.pending where fleet = ${scope.fleet} and id = ${id}`.execute(tx);
  return known.rows.length > 0 ? "decided" : undefined;
}

type AttemptRow = Omit<EnrollmentAttempt, "at" | "remoteAddress"> & { at: Date; remote_address: string | null };

export async function listAttempts(
  db: Queryable,
  scope: Scope,
  page: { serial?: string; verdict?: string; because?: string; before?: string; limit: number },
): Promise<EnrollmentAttempt[]> {
  const [serial, verdict, before, because] = [page.serial ?? null, page.verdict ?? null, page.before ?? null, page.because ?? null];
  const { rows } = await sql<AttemptRow>`
    select id, at, count, serial, device, operation, method, verdict, step, because, reason, fix, remote_address, fingerprint from enrollment.attempt
    where fleet = ${scope.fleet} and (${serial}::text is null or serial = ${serial}) and (${verdict}::text is null or verdict = ${verdict})
      and (${before}::text is null or id < ${before}) and (${because}::text is null or because = ${because})
    order by id desc limit ${page.limit}`.execute(db);
  return rows.map(({ at, remote_address, ...row }) =>
    enrollmentAttempt.parse(withoutNulls({ ...row, at: at.toISOString(), remoteAddress: remote_address })),
  );
}

const withoutNulls = (row: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));

/** Forgets what time has made useless: refusals after `keepMs`, waiting enrollments that were not asked for again, dead codes. */
export async function prune(
  db: Queryable,
  { now, keepMs, pendingMs }: { now: number; keepMs: number; pendingMs: number },
): Promise<void> {
  await sql`delete from enrollment.attempt where verdict <> 'issued' and sealed and at < ${new Date(now - keepMs)}`.execute(db);
  await sql`delete from enrollment.pending where state = 'waiting' and last_seen_at < ${new Date(now - pendingMs)}`.execute(db);
  await sql`delete from enrollment.one_time_code where expires_at < ${new Date(now - keepMs)}`.execute(db);
}
