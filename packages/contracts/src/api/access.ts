import { z } from "zod";
import { pageOf, pageQuery, timestamp } from "./common.ts";
import { operation } from "./operation.ts";
import { permissions, roles } from "./permissions.ts";

export const role = z.enum(roles);

export const actor = z.object({ kind: z.enum(["person", "service_account", "system"]), id: z.string(), name: z.string() });
export type Actor = z.infer<typeof actor>;

export const serviceAccount = z.object({
  id: z.string(),
  name: z.string(),
  role,
  createdAt: timestamp,
  lastUsedAt: timestamp.optional(),
  revokedAt: timestamp.optional(),
});
export type ServiceAccount = z.infer<typeof serviceAccount>;

/** Whose pipelines may sign in by a token of their own CI (OpenID Connect), and as what. */
export const oidcTrust = z.object({
  id: z.string(),
  name: z.string(),
  issuer: z.string(),
  /** Whom the issuer's token must be meant for. */
  audience: z.string(),
  /** What its claims must be: of each one of the patterns, in which `*` stands for anything. */
  conditions: z.record(z.string(), z.array(z.string())),
  role,
  tokenLifetimeS: z.int(),
  createdAt: timestamp,
  lastUsedAt: timestamp.optional(),
  revokedAt: timestamp.optional(),
});
export type OidcTrust = z.infer<typeof oidcTrust>;

const pattern = z.string().min(1).max(300);

export const auditEntry = z.object({
  seq: z.int(),
  at: timestamp,
  actor,
  /** Dotted and in the past: `device.suspended`, `rollout.started`. */
  action: z.string(),
  subject: z.object({ kind: z.string(), id: z.string() }),
  detail: z.record(z.string(), z.json()),
  /** SHA-256 over the previous entry's hash and this entry's canonical JSON. */
  hash: z.string(),
});
export type AuditEntry = z.infer<typeof auditEntry>;

export const accessOperations = {
  getVersion: operation({
    name: "getVersion",
    method: "GET",
    path: "/version",
    summary: "Which Tenfold this is.",
    permission: "anyone",
    response: z.object({
      version: z.string(),
      node: z.string(),
      startedAt: timestamp,
      /** What this process does, of api, links, intake and loops. */
      roles: z.array(z.string()),
      engines: z.record(z.string(), z.string()),
      /** Where the device endpoints listen on this host. */
      devicePorts: z.object({ https: z.int(), mqtt: z.int() }).optional(),
    }),
  }),
  whoAmI: operation({
    name: "whoAmI",
    method: "GET",
    path: "/session",
    summary: "Who is asking, and what they may do.",
    permission: "anyone",
    response: z.object({
      actor: actor.nullable(),
      role: role.nullable(),
      permissions: z.array(z.enum(permissions)),
      setUpNeeded: z.boolean(),
    }),
  }),
  redeemSignInLink: operation({
    name: "redeemSignInLink",
    method: "POST",
    path: "/session",
    summary: "Turns a one-time link into a session cookie.",
    permission: "anyone",
    body: z.strictObject({ token: z.string().min(1).max(200), name: z.string().min(1).max(100).optional() }),
    response: z.object({ actor }),
  }),
  signOut: operation({
    name: "signOut",
    method: "DELETE",
    path: "/session",
    summary: "Ends the session.",
    permission: "anyone",
    response: z.object({ signedOut: z.literal(true) }),
  }),
  createSignInLink: operation({
    name: "createSignInLink",
    method: "POST",
    path: "/sign-in-links",
    summary: "A one-time link that signs a person in to the console.",
    permission: "access.write",
    body: z.strictObject({ name: z.string().min(1).max(100), role: role.default("admin") }),
    response: z.object({ url: z.string(), expiresAt: timestamp }),
    status: 201,
    answer: "shown_once",
  }),
  listServiceAccounts: operation({
    name: "listServiceAccounts",
    method: "GET",
    path: "/service-accounts",
    summary: "Accounts of programs.",
    permission: "access.read",
    response: z.object({ items: z.array(serviceAccount) }),
  }),
  createServiceAccount: operation({
    name: "createServiceAccount",
    method: "POST",
    path: "/service-accounts",
    summary: "Makes an account for a program. Its token is shown only here.",
    permission: "access.write",
    body: z.strictObject({ name: z.string().min(1).max(100), role }),
    response: serviceAccount.extend({ token: z.string() }),
    status: 201,
    answer: "shown_once",
  }),
  revokeServiceAccount: operation({
    name: "revokeServiceAccount",
    method: "POST",
    path: "/service-accounts/:id/revoke",
    summary: "Its token stops working now.",
    permission: "access.write",
    params: z.object({ id: z.string() }),
    response: serviceAccount,
  }),
  listOidcTrusts: operation({
    name: "listOidcTrusts",
    method: "GET",
    path: "/oidc-trusts",
    summary: "Whose pipelines may sign in without a secret.",
    permission: "access.read",
    response: z.object({ items: z.array(oidcTrust) }),
  }),
  createOidcTrust: operation({
    name: "createOidcTrust",
    method: "POST",
    path: "/oidc-trusts",
    summary:
      "Lets tokens of an OpenID Connect issuer in that say what they must. They are exchanged at POST /api/v1/token (RFC 8693).",
    permission: "access.write",
    body: z.strictObject({
      name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/),
      issuer: z.string().min(1).max(300),
      audience: z.string().min(1).max(300),
      conditions: z.record(z.string().regex(/^[A-Za-z0-9_:/.-]{1,100}$/), pattern.or(z.array(pattern).min(1).max(20))),
      role: role.default("release_manager"),
      tokenLifetimeS: z.int().min(60).max(43_200).default(3_600),
    }),
    response: oidcTrust,
    status: 201,
  }),
  revokeOidcTrust: operation({
    name: "revokeOidcTrust",
    method: "POST",
    path: "/oidc-trusts/:id/revoke",
    summary: "Ends a trust, by id or name. Tokens that were given by it stop working now.",
    permission: "access.write",
    params: z.object({ id: z.string() }),
    response: oidcTrust,
  }),
  listAudit: operation({
    name: "listAudit",
    method: "GET",
    path: "/audit",
    summary: "Who changed what, newest first.",
    permission: "audit.read",
    query: pageQuery.extend({ action: z.string().optional(), subject: z.string().optional() }),
    response: pageOf(auditEntry),
  }),
  verifyAudit: operation({
    name: "verifyAudit",
    method: "GET",
    path: "/audit/verify",
    summary: "Recomputes the hash chain of the audit trail.",
    permission: "audit.read",
    response: z.object({ entries: z.int(), intact: z.boolean(), brokenAt: z.int().optional(), head: z.string() }),
  }),
};
