import { newId, type Scope } from "@tenfold/base";
import type { Actor, Role } from "@tenfold/contracts";
import type { Transaction } from "../kernel/index.ts";
import type { AttemptLimit } from "./attempts.ts";
import { assertMayTry, personActor } from "./authenticate.shell.ts";
import type { AccessDeps } from "./deps.ts";
import { accessProblems } from "./errors.ts";
import { hashOf, newSecret } from "./secrets.shell.ts";
import { lifetimes } from "./session.ts";
import {
  endSession,
  forgetEnded,
  insertLink,
  insertSession,
  type LinkRow,
  type SessionRow,
  spendLink,
  upsertPerson,
  withdrawSetUpLinks,
} from "./store.ts";
import { append } from "./trail.shell.ts";

export type OneTimeLink = { token: string; expiresAt: Date };

/** A link that signs in the person of this name, who gets the role. It works once, for 24 hours. */
export async function createSignInLink(
  deps: AccessDeps,
  scope: Scope,
  { name, role, actor }: { name: string; role: Role; actor: Actor },
): Promise<OneTimeLink> {
  return deps.db.transaction().execute(async (tx) => {
    const { id, ...link } = await makeLink(tx, scope, { deps, purpose: "sign_in", name, role });
    await append(tx, scope, {
      clock: deps.clock,
      change: { actor, action: "sign_in_link.created", subject: { kind: "sign_in_link", id }, detail: { name, role } },
    });
    return link;
  });
}

type LinkWish = { deps: AccessDeps; purpose: LinkRow["purpose"]; name: string | null; role: Role };

export async function makeLink(
  tx: Transaction,
  scope: Scope,
  { deps: { clock }, purpose, name, role }: LinkWish,
): Promise<OneTimeLink & { id: string }> {
  const token = newSecret("tfl");
  const id = newId("lnk", clock.now());
  const expiresAt = new Date(clock.now() + lifetimes.link);
  await insertLink(tx, scope, { id, purpose, name, role, tokenHash: hashOf(token), now: new Date(clock.now()), expiresAt });
  return { id, token, expiresAt };
}

export type Redemption = { token: string /** For the set-up link: who follows it. */; name: string | undefined; address: string };

export type SignedIn = { actor: Actor /** The session's cookie value. */; secret: string };

/** Turns a one-time link into a session. Of two who use the same link at once, one is refused. */
export async function redeemLink(deps: AccessDeps, limit: AttemptLimit, { token, name, address }: Redemption): Promise<SignedIn> {
  const { db, clock } = deps;
  const tokenHash = hashOf(token);
  const attempt = { address, secret: tokenHash.toString("hex") };
  assertMayTry(limit, { attempt, now: clock.now() });
  const signedIn = await db.transaction().execute(async (tx) => {
    const link = await spendLink(tx, { tokenHash, now: new Date(clock.now()) });
    return link && (await signIn(tx, { deps, link, name: link.name ?? name ?? "Administrator" }));
  });
  if (signedIn) return signedIn;
  limit.failed(attempt, clock.now());
  throw accessProblems.link_invalid("This link was used before, is older than 24 hours, or is not one of ours.", {
    fix: "Ask for a new one: `npx tenfold open` on the server's machine makes it.",
  });
}

async function signIn(
  tx: Transaction,
  { deps: { clock }, link, name }: { deps: AccessDeps; link: LinkRow; name: string },
): Promise<SignedIn> {
  const now = new Date(clock.now());
  const scope: Scope = { fleet: link.fleet };
  const secret = newSecret("tfs");
  const person = await upsertPerson(tx, scope, { id: newId("psn", clock.now()), name, role: link.role, now });
  await insertSession(tx, { id: newId("ses", clock.now()), person: person.id, tokenHash: hashOf(secret), now });
  // Whoever is in can invite the others; a set-up link that still lies about is only a risk.
  await withdrawSetUpLinks(tx);
  await forgetEnded(tx, new Date(clock.now() - 2 * lifetimes.absolute));
  const actor = personActor({ person: person.id, name });
  const detail = { name, role: link.role, link: link.id, isNew: person.isNew };
  await append(tx, scope, {
    clock,
    change: { actor, action: "person.signed_in", subject: { kind: "person", id: person.id }, detail },
  });
  return { actor, secret };
}

/** The cookie is worthless from the end of this call. */
export async function signOut({ db, clock }: AccessDeps, session: SessionRow): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await endSession(tx, { id: session.id, now: new Date(clock.now()) });
    const change = {
      actor: personActor(session),
      action: "person.signed_out",
      subject: { kind: "person", id: session.person },
      detail: {},
    };
    await append(tx, { fleet: session.fleet }, { clock, change });
  });
}
