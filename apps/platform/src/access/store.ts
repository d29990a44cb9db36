import type { Scope } from "@tenfold/base";
import type { Role } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";

export type AccountRow = {
  id: string;
  fleet: string;
  name: string;
  role: Role;
  createdAt: Date;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
};

const accountColumns = sql`id, fleet, name, role, created_at as "createdAt", last_used_at as "lastUsedAt", revoked_at as "revokedAt"`;

export type NewAccount = { id: string; name: string; role: Role; tokenHash: Buffer; builtIn: "built_in" | "made"; now: Date };

export async function insertAccount(
  tx: Transaction,
  scope: Scope,
  { id, name, role, tokenHash, builtIn, now }: NewAccount,
): Promise<AccountRow> {
  await sql`insert into access.service_account (id, fleet, name, role, token_hash, built_in, created_at)
    values (${id}, ${scope.fleet}, ${name}, ${role}, ${tokenHash}, ${builtIn === "built_in"}, ${now})`.execute(tx);
  return { id, fleet: scope.fleet, name, role, createdAt: now, lastUsedAt: null, revokedAt: null };
}

/** The account that this token opens now; undefined when there is none or it was revoked. Remembers the use, to the minute. */
export async function useAccount(
  db: Queryable,
  { tokenHash, now }: { tokenHash: Buffer; now: Date },
): Promise<AccountRow | undefined> {
  const { rows } =
    await sql<AccountRow>`select ${accountColumns} from access.service_account where token_hash = ${tokenHash} and revoked_at is null`.execute(
      db,
    );
  const account = rows[0];
  // Of many requests at once one notes it; without the condition each would wait for the commit of the one before.
  if (account && isStale(account.lastUsedAt, now))
    await sql`update access.service_account set last_used_at = ${now}
      where id = (select id from access.service_account where id = ${account.id} for update skip locked)
        and last_used_at is not distinct from ${account.lastUsedAt}`.execute(db);
  return account;
}

/** The live account whose token stands in the data folder. */
export async function findBuiltIn(db: Queryable): Promise<(AccountRow & { tokenHash: Buffer }) | undefined> {
  const { rows } = await sql<
    AccountRow & { tokenHash: Buffer }
  >`select ${accountColumns}, token_hash as "tokenHash" from access.service_account where built_in and revoked_at is null`.execute(
    db,
  );
  return rows[0];
}

export async function listAccounts(db: Queryable, scope: Scope): Promise<AccountRow[]> {
  return (
    await sql<AccountRow>`select ${accountColumns} from access.service_account where fleet = ${scope.fleet} order by created_at, id`.execute(
      db,
    )
  ).rows;
}

/** Revokes an account; one that was revoked before stays as it is. Undefined when there is no such account. */
export async function revokeAccount(
  tx: Transaction,
  scope: Scope,
  { id, now }: { id: string; now: Date },
): Promise<AccountRow | undefined> {
  const { rows } = await sql<AccountRow>`update access.service_account set revoked_at = coalesce(revoked_at, ${now})
    where id = ${id} and fleet = ${scope.fleet} returning ${accountColumns}`.execute(tx);
  return rows[0];
}

export type LinkRow = { id: string; fleet: string; purpose: "set_up" | "sign_in"; name: string | null; role: Role };
export type NewLink = Omit<LinkRow, "fleet"> & { tokenHash: Buffer; now: Date; expiresAt: Date };

export async function insertLink(
  tx: Transaction,
  scope: Scope,
  { id, purpose, name, role, tokenHash, now, expiresAt }: NewLink,
): Promise<void> {
  await sql`insert into access.sign_in_link (id, fleet, purpose, name, role, token_hash, created_at, expires_at)
    values (${id}, ${scope.fleet}, ${purpose}, ${name}, ${role}, ${tokenHash}, ${now}, ${expiresAt})`.execute(tx);
}

/** Uses a link up. Of several who try at once one gets it; the others get undefined, as for a link that is unknown or too old. */
export async function spendLink(
  tx: Transaction,
  { tokenHash, now }: { tokenHash: Buffer; now: Date },
): Promise<LinkRow | undefined> {
  const { rows } = await sql<LinkRow>`update access.sign_in_link set used_at = ${now}
    where token_hash = ${tokenHash} and used_at is null and expires_at > ${now} returning id, fleet, purpose, name, role`.execute(
    tx,
  );
  return rows[0];
}

/** Ends the set-up links that nobody has followed. */
export async function withdrawSetUpLinks(tx: Transaction): Promise<void> {
  await sql`delete from access.sign_in_link where purpose = 'set_up' and used_at is null`.execute(tx);
}

export type PersonRow = { id: string; fleet: string; name: string; role: Role };

/** True once somebody can sign in. */
export async function hasPeople(db: Queryable): Promise<boolean> {
  const { rows } = await sql<{ some: boolean }>`select exists (select from access.person) as some`.execute(db);
  return rows[0]?.some === true;
}

/** The person of this name, made when new; has the given role afterwards. */
export async function upsertPerson(
  tx: Transaction,
  scope: Scope,
  { id, name, role, now }: { id: string; name: string; role: Role; now: Date },
): Promise<PersonRow & { isNew: boolean }> {
  const { rows } =
    await sql<PersonRow>`insert into access.person (id, fleet, name, role, created_at) values (${id}, ${scope.fleet}, ${name}, ${role}, ${now})
    on conflict (fleet, name) do update set role = excluded.role returning id, fleet, name, role`.execute(tx);
  const person = rows[0] ?? { id, fleet: scope.fleet, name, role };
  return { ...person, isNew: person.id === id };
}

export type SessionRow = {
  id: string;
  createdAt: Date;
  lastSeenAt: Date;
  endedAt: Date | null;
  person: string;
  name: string;
  role: Role;
  fleet: string;
};

export async function insertSession(
  tx: Transaction,
  { id, person, tokenHash, now }: { id: string; person: string; tokenHash: Buffer; now: Date },
): Promise<void> {
  await sql`insert into access.session (id, person, token_hash, created_at, last_seen_at) values (${id}, ${person}, ${tokenHash}, ${now}, ${now})`.execute(
    tx,
  );
}

/** The session that this cookie opens, open or not, with the person's role as it is now. */
export async function findSession(db: Queryable, tokenHash: Buffer): Promise<SessionRow | undefined> {
  const { rows } =
    await sql<SessionRow>`select session.id, session.created_at as "createdAt", session.last_seen_at as "lastSeenAt", session.ended_at as "endedAt",
      person.id as person, person.name, person.role, person.fleet
    from access.session join access.person on person.id = session.person where session.token_hash = ${tokenHash}`.execute(db);
  return rows[0];
}

/** Remembers that a session is in use, to the minute. */
export async function touchSession(db: Queryable, session: SessionRow, now: Date): Promise<void> {
  if (isStale(session.lastSeenAt, now))
    await sql`update access.session set last_seen_at = ${now} where id = ${session.id}`.execute(db);
}

export async function endSession(tx: Transaction, { id, now }: { id: string; now: Date }): Promise<void> {
  await sql`update access.session set ended_at = coalesce(ended_at, ${now}) where id = ${id}`.execute(tx);
}

/** Forgets sessions and links that ended before `before`; the audit trail keeps what happened with them. */
export async function forgetEnded(tx: Transaction, before: Date): Promise<void> {
  await sql`delete from access.session where created_at < ${before}`.execute(tx);
  await sql`delete from access.sign_in_link where expires_at < ${before}`.execute(tx);
}

/** Writing down each use would make every read a write. */
const isStale = (seen: Date | null, now: Date): boolean => seen === null || now.getTime() - seen.getTime() >= 60_000;
