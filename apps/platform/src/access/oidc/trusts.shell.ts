import { newId, type Scope } from "@tenfold/base";
import type { Actor, Role } from "@tenfold/contracts";
import type { AccessDeps } from "../deps.ts";
import { accessProblems } from "../errors.ts";
import { append } from "../trail.shell.ts";
import { isSafe } from "./issuers.shell.ts";
import { insertTrust, markTrustRevoked } from "./store.ts";
import { assertNarrow, type Trust } from "./trust.ts";

type Who = { scope: Scope; actor: Actor };
export type NewTrust = Pick<Trust, "name" | "issuer" | "audience" | "conditions" | "tokenLifetimeS"> & { role: Role };

export async function createTrust({ db, clock }: AccessDeps, { scope, actor }: Who, wish: NewTrust): Promise<Trust> {
  if (!URL.canParse(wish.issuer) || !isSafe(new URL(wish.issuer)))
    throw accessProblems.oidc_issuer_invalid(`${wish.issuer} is no issuer: it must be an https:// address.`, { field: "issuer" });
  assertNarrow(wish);
  const now = clock.now();
  const trust = { ...wish, id: newId("oid", now), fleet: scope.fleet, createdAt: now };
  return db.transaction().execute(async (tx) => {
    if (!(await insertTrust(tx, trust)))
      throw accessProblems.oidc_trust_exists(`There is a trust named "${wish.name}".`, {
        field: "name",
        fix: "Revoke that one first, or give this one another name.",
      });
    const { name, issuer, audience, conditions, role, tokenLifetimeS } = wish;
    const detail = { name, issuer, audience, conditions, role, tokenLifetimeS };
    await append(tx, scope, {
      clock,
      change: { actor, action: "oidc_trust.created", subject: { kind: "oidc_trust", id: trust.id }, detail },
    });
    return trust;
  });
}

/** Tokens that were given by it stop working with the end of this call. Safe to call twice. */
export async function revokeTrust({ db, clock }: AccessDeps, { scope, actor }: Who, named: string): Promise<Trust> {
  return db.transaction().execute(async (tx) => {
    const found = await markTrustRevoked(tx, scope, { named, at: clock.now() });
    if (found === undefined)
      throw accessProblems.oidc_trust_unknown(`There is no trust "${named}".`, {
        field: "params.id",
        fix: "See: tenfold account trusts.",
      });
    if (found.now === "revoked")
      await append(tx, scope, {
        clock,
        change: {
          actor,
          action: "oidc_trust.revoked",
          subject: { kind: "oidc_trust", id: found.trust.id },
          detail: { name: found.trust.name },
        },
      });
    return found.trust;
  });
}
