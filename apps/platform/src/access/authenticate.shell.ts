import type { Actor } from "@tenfold/contracts";
import { httpProblems, type Identity } from "../kernel/index.ts";
import { type Attempt, type AttemptLimit, createAttemptLimit } from "./attempts.ts";
import type { AccessDeps } from "./deps.ts";
import { accessProblems } from "./errors.ts";
import { findExchanged } from "./oidc/store.ts";
import { exchangedActor } from "./oidc/trust.ts";
import { hashOf } from "./secrets.shell.ts";
import { isMeant, isOpen } from "./session.ts";
import { findSession, type SessionRow, touchSession, useAccount } from "./store.ts";

/** What is looked at of a request. Fastify's request fits. */
export type Asking = {
  method: string;
  ip: string;
  headers: {
    authorization?: string | undefined;
    cookie?: string | undefined;
    origin?: string | undefined;
    host?: string | undefined;
  };
};

export type Door = {
  /**
   * Who asks. A bearer token that is not good is a Problem (401, or 429 after many); a cookie that is not good is nobody. A state-changing
   * request by cookie must come from our own pages (403).
   */
  authenticate(asking: Asking): Promise<Identity | undefined>;
  /** The open session of a request's cookie. */
  session(asking: Asking): Promise<SessionRow | undefined>;
  limit: AttemptLimit;
};

export const sessionCookie = "tenfold_session";

export function createDoor({ db, clock, log, publicUrl }: AccessDeps): Door {
  const limit = createAttemptLimit();
  const byToken = async ({ headers, ip }: Asking): Promise<Identity> => {
    const token = /^Bearer (tf_[A-Za-z0-9_-]{43})$/i.exec(headers.authorization ?? "")?.[1];
    const fix = "Send `Authorization: Bearer tf_…` with the token of a service account that is not revoked.";
    const tokenHash = hashOf(token ?? headers.authorization ?? "");
    const attempt: Attempt = { address: ip, secret: tokenHash.toString("hex") };
    assertMayTry(limit, { attempt, now: clock.now() });
    const account = token === undefined ? undefined : await useAccount(db, { tokenHash, now: new Date(clock.now()) });
    const exchanged =
      account === undefined && token !== undefined ? await findExchanged(db, { tokenHash, now: new Date(clock.now()) }) : undefined;
    if (exchanged) {
      limit.succeeded(attempt);
      return {
        actor: exchangedActor({ id: exchanged.trust }, exchanged.holder),
        role: exchanged.role,
        scope: { fleet: exchanged.fleet },
      };
    }
    if (account === undefined) {
      limit.failed(attempt, clock.now());
      log.warn("access.token_refused", { from: ip });
      throw accessProblems.token_invalid("The token is not one of a live service account.", { fix });
    }
    limit.succeeded(attempt);
    return {
      actor: { kind: "service_account", id: account.id, name: account.name },
      role: account.role,
      scope: { fleet: account.fleet },
    };
  };
  const session = async ({ headers }: Asking): Promise<SessionRow | undefined> => {
    const secret = cookieValue(headers.cookie ?? "", sessionCookie);
    if (secret === undefined) return undefined;
    const found = await findSession(db, hashOf(secret));
    return found && isOpen(found, clock.now()) ? found : undefined;
  };
  const byCookie = async (asking: Asking): Promise<Identity | undefined> => {
    const open = await session(asking);
    if (open === undefined) return undefined;
    const { origin, host } = asking.headers;
    if (!isMeant({ method: asking.method, origin, host, publicUrl }))
      throw httpProblems.origin_refused("This change was not asked for by a page of this Tenfold.", {
        fix: "Use the console at the address that the server prints, or a service account's token.",
      });
    await touchSession(db, open, new Date(clock.now()));
    return { actor: personActor(open), role: open.role, scope: { fleet: open.fleet } };
  };
  return {
    limit,
    session,
    authenticate: (asking) => (asking.headers.authorization === undefined ? byCookie(asking) : byToken(asking)),
  };
}

export const personActor = ({ person, name }: { person: string; name: string }): Actor => ({ kind: "person", id: person, name });

export function assertMayTry(limit: AttemptLimit, { attempt, now }: { attempt: Attempt; now: number }): void {
  if (!limit.mayTry(attempt, now))
    throw httpProblems.too_many_requests("Too many wrong tokens came from this address.", {
      retryAfterS: 60,
      fix: "Wait a minute, and check the token.",
    });
}

/** The value of a cookie in a Cookie header (RFC 6265, 5.4). */
function cookieValue(header: string, name: string): string | undefined {
  const pair = header
    .split(";")
    .map((one) => one.trim())
    .find((one) => one.startsWith(`${name}=`));
  return pair?.slice(name.length + 1) || undefined;
}
