import { newId } from "@tenfold/base";
import type { AttemptLimit } from "../attempts.ts";
import { assertMayTry } from "../authenticate.shell.ts";
import type { AccessDeps } from "../deps.ts";
import { accessProblems } from "../errors.ts";
import { hashOf, newSecret } from "../secrets.shell.ts";
import { append } from "../trail.shell.ts";
import { claimedIssuer, type Issuers } from "./issuers.shell.ts";
import { forgetExpired, insertToken, spend, trustsOf } from "./store.ts";
import { chooseTrust, exchangedActor, holderOf, tellingOf } from "./trust.ts";

/** A job runs several commands; whoever steals its token and plays it again and again is stopped. */
const mostExchanges = 20;

export type ExchangeDeps = AccessDeps & { issuers: Issuers; limit: AttemptLimit };
export type Wish = { token: string; role: string | undefined; address: string };
export type Exchanged = { token: string; expiresInS: number; role: string };

/**
 * Gives a short-lived token of ours for a token of a trusted issuer (RFC 8693). Everything that is refused is refused before anything is
 * written; every exchange stands in the audit trail.
 */
export async function exchangeToken(deps: ExchangeDeps, { token, role, address }: Wish): Promise<Exchanged> {
  const { clock, limit, log } = deps;
  const attempt = { address, secret: hashOf(token).toString("hex") };
  assertMayTry(limit, { attempt, now: clock.now() });
  try {
    const exchanged = await exchange(deps, { token, role, address });
    limit.succeeded(attempt);
    return exchanged;
  } catch (error) {
    limit.failed(attempt, clock.now());
    log.warn("access.exchange_refused", { from: address, because: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}

async function exchange({ db, clock, issuers }: ExchangeDeps, { token, role, address }: Wish): Promise<Exchanged> {
  const issuer = claimedIssuer(token);
  const trusts = await trustsOf(db, issuer);
  if (trusts.length === 0)
    throw accessProblems.oidc_token_refused(`The token is not believed. No trust names the issuer ${issuer.slice(0, 200)}.`, {
      fix: "An administrator makes one: tenfold account trust NAME --github OWNER/REPOSITORY.",
    });
  const { claims, jti, expiresAt } = await issuers.verify(token, issuer);
  const choice = chooseTrust(trusts, claims, role);
  if (choice.is === "refused")
    throw accessProblems.oidc_token_refused(`The token is not believed. ${choice.because}`, {
      fix: "See: tenfold account trusts.",
    });
  const { trust } = choice;
  const secret = newSecret("tf");
  const now = clock.now();
  await db.transaction().execute(async (tx) => {
    await forgetExpired(tx, new Date(now));
    const uses = await spend(tx, { issuer, jti, expiresAt });
    if (uses > mostExchanges)
      throw accessProblems.oidc_token_spent(`This token was exchanged ${mostExchanges} times, the most that there may be.`, {
        fix: "Ask the issuer for a new one; one exchange lasts for many requests.",
      });
    const id = newId("tok", now);
    const holder = holderOf(trust, claims);
    const lasts = { issuedAt: now, expiresAt: now + trust.tokenLifetimeS * 1_000 };
    await insertToken(tx, { id, trust: trust.id, holder, tokenHash: hashOf(secret), ...lasts });
    await append(tx, trust, {
      clock,
      change: {
        actor: exchangedActor(trust, holder),
        action: "token.exchanged",
        subject: { kind: "oidc_trust", id: trust.id },
        detail: {
          token: id,
          role: trust.role,
          from: address,
          uses,
          expiresAt: new Date(lasts.expiresAt).toISOString(),
          claims: tellingOf(claims),
        },
      },
    });
  });
  return { token: secret, expiresInS: trust.tokenLifetimeS, role: trust.role };
}
