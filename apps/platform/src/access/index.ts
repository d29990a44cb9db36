import type { Scope } from "@tenfold/base";
import type { Actor, Role, ServiceAccount } from "@tenfold/contracts";
import type { Identity, Transaction } from "../kernel/index.ts";
import { createAccount, revokeAccount } from "./accounts.shell.ts";
import { type Asking, createDoor } from "./authenticate.shell.ts";
import { type Bootstrap, type Bootstrapped, bootstrap } from "./bootstrap.shell.ts";
import type { AccessDeps } from "./deps.ts";
import { type Exchanged, exchangeToken, type Wish } from "./oidc/exchange.shell.ts";
import { createIssuers } from "./oidc/issuers.shell.ts";
import type { Trust } from "./oidc/trust.ts";
import { createTrust, type NewTrust, revokeTrust } from "./oidc/trusts.shell.ts";
import { createSignInLink, type OneTimeLink, type Redemption, redeemLink, type SignedIn, signOut } from "./sign-in.shell.ts";
import { append, appendAll, type Change, type TrailVerdict, verifyTrail } from "./trail.shell.ts";

export { systemActor } from "./bootstrap.shell.ts";
export { accessProblems } from "./errors.ts";
export { accessRoutes } from "./routes.ts";
export type { AccessDeps, Asking, Bootstrap, Bootstrapped, Change, OneTimeLink, Redemption, SignedIn, TrailVerdict };

/**
 * Writes a change into the audit trail, inside the transaction that makes it, so that neither stands without the other. Appends wait for
 * each other until their transactions end: call it last, and keep the transaction short.
 */
export type Audit = (tx: Transaction, scope: Scope, change: Change) => Promise<void>;

export type Access = {
  createOidcTrust(who: { scope: Scope; actor: Actor }, wish: NewTrust): Promise<Trust>;
  revokeOidcTrust(who: { scope: Scope; actor: Actor }, named: string): Promise<Trust>;
  /** A token of ours for one of a trusted issuer. */
  exchangeToken(wish: Wish): Promise<Exchanged>;
  audit: Audit;
  /** The same for many changes of one moment. */
  auditAll: (tx: Transaction, scope: Scope, changes: readonly Change[]) => Promise<void>;
  /** For `createHttp`: who asks. Undefined is nobody; a bad bearer token is a Problem. */
  authenticate(asking: Asking): Promise<Identity | undefined>;
  /** At every start, before the first request is taken. */
  bootstrap(wish: Bootstrap): Promise<Bootstrapped>;
  createServiceAccount(scope: Scope, wish: { name: string; role: Role; actor: Actor }): Promise<ServiceAccount & { token: string }>;
  revokeServiceAccount(scope: Scope, wish: { id: string; actor: Actor }): Promise<ServiceAccount>;
  createSignInLink(scope: Scope, wish: { name: string; role: Role; actor: Actor }): Promise<OneTimeLink>;
  redeemSignInLink(redemption: Redemption): Promise<SignedIn>;
  /** Ends the session of this request's cookie; nothing to do when it has none. */
  signOut(asking: Asking): Promise<void>;
  verifyAudit(): Promise<TrailVerdict>;
  /** What the routes read from. */
  deps: AccessDeps;
};

export function createAccess(deps: AccessDeps): Access {
  const door = createDoor(deps);
  const issuers = createIssuers(deps);
  return {
    deps,
    audit: (tx, scope, change) => append(tx, scope, { clock: deps.clock, change }),
    auditAll: (tx, scope, changes) => appendAll(tx, scope, { clock: deps.clock, changes }),
    authenticate: door.authenticate,
    bootstrap: (wish) => bootstrap(deps, wish),
    createServiceAccount: (scope, wish) => createAccount(deps, scope, wish),
    revokeServiceAccount: (scope, wish) => revokeAccount(deps, scope, wish),
    createSignInLink: (scope, wish) => createSignInLink(deps, scope, wish),
    redeemSignInLink: (redemption) => redeemLink(deps, door.limit, redemption),
    createOidcTrust: (who, wish) => createTrust(deps, who, wish),
    revokeOidcTrust: (who, named) => revokeTrust(deps, who, named),
    exchangeToken: (wish) => exchangeToken({ ...deps, issuers, limit: door.limit }, wish),
    async signOut(asking) {
      const session = await door.session(asking);
      if (session) await signOut(deps, session);
    },
    verifyAudit: () => verifyTrail(deps.db),
  };
}
