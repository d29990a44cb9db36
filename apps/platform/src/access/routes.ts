import { seconds } from "@tenfold/base";
import { api, rolePermissions } from "@tenfold/contracts";
import type { FastifyRequest } from "fastify";
import { type Http, serve } from "../kernel/index.ts";
import { accountOf } from "./accounts.shell.ts";
import { sessionCookie } from "./authenticate.shell.ts";
import type { AccessDeps } from "./deps.ts";
import { accessProblems } from "./errors.ts";
import type { Access } from "./index.ts";
import { oidcRoutes } from "./oidc/routes.ts";
import { lifetimes } from "./session.ts";
import { hasPeople, listAccounts } from "./store.ts";
import { listTrail } from "./trail.shell.ts";

export type AccessRoutes = {
  access: Access;
  publicUrl?: AccessDeps["publicUrl"];
};

/** Sessions, sign-in links, service accounts and the audit trail. */
export function accessRoutes(app: Http, { access, publicUrl = access.deps.publicUrl }: AccessRoutes): void {
  sessionRoutes(app, { access, publicUrl });
  serviceAccountRoutes(app, access);
  auditRoutes(app, access);
  oidcRoutes(app, access);
}

function sessionRoutes(app: Http, { access, publicUrl }: AccessRoutes): void {
  const { db } = access.deps;
  serve(app, api.whoAmI, async ({ identity }) => {
    const setUpNeeded = identity === undefined && !(await hasPeople(db));
    return identity
      ? { actor: identity.actor, role: identity.role, permissions: [...rolePermissions[identity.role]], setUpNeeded }
      : { actor: null, role: null, permissions: [], setUpNeeded };
  });
  serve(app, api.redeemSignInLink, async ({ body, request, reply }) => {
    const { actor, secret } = await access.redeemSignInLink({ token: body.token, name: body.name, address: request.ip });
    reply.setCookie(sessionCookie, secret, { ...cookieOptions(request, publicUrl), maxAge: lifetimes.absolute / seconds(1) });
    return { actor };
  });
  serve(app, api.signOut, async ({ request, reply }) => {
    await access.signOut(request);
    reply.clearCookie(sessionCookie, cookieOptions(request, publicUrl));
    return { signedOut: true as const };
  });
  serve(app, api.createSignInLink, async ({ body, actor, scope, request }) => {
    const { token, expiresAt } = await access.createSignInLink(scope, { ...body, actor });
    return { url: `${baseUrlOf(request, publicUrl)}/signin#${token}`, expiresAt: expiresAt.toISOString() };
  });
}

const baseUrlOf = (request: FastifyRequest, publicUrl: string | undefined): string =>
  publicUrl?.replace(/\/$/, "") ?? `${request.protocol}://${request.host}`;

function cookieOptions(request: FastifyRequest, publicUrl: string | undefined) {
  return { path: "/", httpOnly: true, sameSite: "strict", secure: baseUrlOf(request, publicUrl).startsWith("https:") } as const;
}

function serviceAccountRoutes(app: Http, access: Access): void {
  serve(app, api.listServiceAccounts, async ({ scope }) => ({ items: (await listAccounts(access.deps.db, scope)).map(accountOf) }));
  serve(app, api.createServiceAccount, ({ body, actor, scope }) => access.createServiceAccount(scope, { ...body, actor }));
  serve(app, api.revokeServiceAccount, ({ params, actor, scope }) => access.revokeServiceAccount(scope, { id: params.id, actor }));
}

function auditRoutes(app: Http, access: Access): void {
  serve(app, api.listAudit, async ({ query: { limit, cursor, action, subject }, scope }) => {
    const question = {
      limit: limit + 1,
      ...(cursor === undefined ? {} : { before: readCursor(cursor) }),
      ...(action === undefined ? {} : { action }),
      ...(subject === undefined ? {} : { subject }),
    };
    const found = await listTrail(access.deps.db, scope, question);
    const items = found.slice(0, limit);
    const last = items.at(-1);
    return { items, ...(found.length > limit && last ? { nextCursor: String(last.seq) } : {}) };
  });
  serve(app, api.verifyAudit, () => access.verifyAudit());
}

function readCursor(cursor: string): number {
  const seq = /^[1-9]\d{0,15}$/.test(cursor) ? Number(cursor) : Number.NaN;
  if (!Number.isSafeInteger(seq))
    throw accessProblems.cursor_invalid(`"${cursor}" is not a cursor of this list.`, {
      field: "query.cursor",
      fix: "Send back `nextCursor` as it came.",
    });
  return seq;
}
