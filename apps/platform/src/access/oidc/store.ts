import type { Scope } from "@tenfold/base";
import type { Role } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../../kernel/index.ts";
import type { Trust } from "./trust.ts";

type Row = {
  id: string;
  fleet: string;
  name: string;
  issuer: string;
  audience: string;
  conditions: Record<string, string[]>;
  role: Role;
  token_lifetime_s: number;
  created_at: Date;
  last_used_at: Date | null;
  revoked_at: Date | null;
};

const columns = sql.raw(
  "id, fleet, name, issuer, audience, conditions, role, token_lifetime_s, created_at, last_used_at, revoked_at",
);

const trustOf = ({ token_lifetime_s, created_at, last_used_at, revoked_at, ...row }: Row): Trust => ({
  ...row,
  tokenLifetimeS: token_lifetime_s,
  createdAt: created_at.getTime(),
  ...(last_used_at === null ? {} : { lastUsedAt: last_used_at.getTime() }),
  ...(revoked_at === null ? {} : { revokedAt: revoked_at.getTime() }),
});

export async function listTrusts(on: Queryable, scope: Scope): Promise<Trust[]> {
  const { rows } =
    await sql<Row>`select ${columns} from access.oidc_trust where fleet = ${scope.fleet} order by created_at, id`.execute(on);
  return rows.map(trustOf);
}

/** The live trusts of an issuer, in every fleet: a token does not say which it is for. */
export async function trustsOf(on: Queryable, issuer: string): Promise<Trust[]> {
  const { rows } =
    await sql<Row>`select ${columns} from access.oidc_trust where issuer = ${issuer} and revoked_at is null order by id`.execute(
      on,
    );
  return rows.map(trustOf);
}

/** False when a live trust has this name. */
export async function insertTrust(tx: Transaction, trust: Trust): Promise<boolean> {
  const { id, fleet, name, issuer, audience, conditions, role, tokenLifetimeS, createdAt } = trust;
  const { rows } = await sql`
    insert into access.oidc_trust (id, fleet, name, issuer, audience, conditions, role, token_lifetime_s, created_at)
    values (${id}, ${fleet}, ${name}, ${issuer}, ${audience}, ${JSON.stringify(conditions)}::jsonb, ${role}, ${tokenLifetimeS}, ${new Date(createdAt)})
    on conflict (fleet, name) where revoked_at is null do nothing returning id`.execute(tx);
  return rows.length > 0;
}

/** By id or name. Undefined when there is none; one that was revoked before stays as it is. */
export async function markTrustRevoked(
  tx: Transaction,
  scope: Scope,
  { named, at }: { named: string; at: number },
): Promise<{ trust: Trust; now: "revoked" | "was_revoked" } | undefined> {
  const { rows } = await sql<Row>`
    update access.oidc_trust set revoked_at = ${new Date(at)}
    where fleet = ${scope.fleet} and (id = ${named} or name = ${named}) and revoked_at is null returning ${columns}`.execute(tx);
  if (rows[0]) return { trust: trustOf(rows[0]), now: "revoked" };
  const { rows: before } = await sql<Row>`
    select ${columns} from access.oidc_trust where fleet = ${scope.fleet} and (id = ${named} or name = ${named}) order by created_at desc limit 1`.execute(
    tx,
  );
  return before[0] && { trust: trustOf(before[0]), now: "was_revoked" };
}

/** Counts one more exchange of an issuer's token; answers how many there have been. */
export async function spend(
  tx: Transaction,
  { issuer, jti, expiresAt }: { issuer: string; jti: string; expiresAt: number },
): Promise<number> {
  const { rows } = await sql<{ uses: number }>`
    insert into access.spent_assertion (issuer, jti, uses, expires_at) values (${issuer}, ${jti}, 1, ${new Date(expiresAt)})
    on conflict (issuer, jti) do update set uses = spent_assertion.uses + 1 returning uses`.execute(tx);
  return rows[0]?.uses ?? 1;
}

export type ExchangedToken = { id: string; trust: string; holder: string; tokenHash: Buffer; issuedAt: number; expiresAt: number };

export async function insertToken(
  tx: Transaction,
  { id, trust, holder, tokenHash, issuedAt, expiresAt }: ExchangedToken,
): Promise<void> {
  await sql`
    insert into access.exchanged_token (id, trust, holder, token_hash, issued_at, expires_at)
    values (${id}, ${trust}, ${holder}, ${tokenHash}, ${new Date(issuedAt)}, ${new Date(expiresAt)})`.execute(tx);
  await sql`update access.oidc_trust set last_used_at = ${new Date(issuedAt)} where id = ${trust}`.execute(tx);
}

/** Who a token lets in now; undefined when it is unknown, too old, or its trust was revoked. */
export async function findExchanged(
  on: Queryable,
  { tokenHash, now }: { tokenHash: Buffer; now: Date },
): Promise<{ trust: string; holder: string; role: Role; fleet: string } | undefined> {
  const { rows } = await sql<{ trust: string; holder: string; role: Role; fleet: string }>`
    select t.id as trust, e.holder, t.role, t.fleet from access.exchanged_token e join access.oidc_trust t on t.id = e.trust
    where e.token_hash = ${tokenHash} and e.expires_at > ${now} and t.revoked_at is null`.execute(on);
  return rows[0];
}

/** What can be of no use any more. The audit trail keeps what happened with it. */
export async function forgetExpired(tx: Transaction, now: Date): Promise<void> {
  await sql`delete from access.exchanged_token where expires_at < ${now}`.execute(tx);
  await sql`delete from access.spent_assertion where expires_at < ${now}`.execute(tx);
}
