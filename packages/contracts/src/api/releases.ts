import { z } from "zod";
import { signedRelease } from "../device/deployment.ts";
import { pageOf, pageQuery, timestamp } from "./common.ts";
import { operation } from "./operation.ts";

export const artifact = z.object({ sha256: z.string(), size: z.int(), createdAt: timestamp });
export type Artifact = z.infer<typeof artifact>;

export const release = z.object({
  id: z.string(),
  name: z.string(),
  version: z.string(),
  models: z.array(z.string()),
  artifact,
  notes: z.string(),
  /** What the devices verify: statement and signatures, exactly as they were uploaded. */
  envelope: signedRelease,
  signedBy: z.array(z.string()),
  retired: z.boolean(),
  devices: z.int(),
  createdAt: timestamp,
});
export type Release = z.infer<typeof release>;

export const signingKey = z.object({
  keyid: z.string(),
  name: z.string(),
  publicKeyPem: z.string(),
  createdAt: timestamp,
  revokedAt: timestamp.optional(),
});
export type SigningKey = z.infer<typeof signingKey>;

const byId = z.object({ id: z.string() });

export const releaseOperations = {
  listReleases: operation({
    name: "listReleases",
    method: "GET",
    path: "/releases",
    summary: "Releases, newest first.",
    permission: "releases.read",
    query: pageQuery,
    response: pageOf(release),
  }),
  getRelease: operation({
    name: "getRelease",
    method: "GET",
    path: "/releases/:id",
    summary: "One release, by id or version.",
    permission: "releases.read",
    params: byId,
    response: release,
  }),
  createRelease: operation({
    name: "createRelease",
    method: "POST",
    path: "/releases",
    summary: "Registers a signed release whose artifact was uploaded (PUT /api/v1/artifacts/{sha256}).",
    permission: "releases.write",
    body: z.strictObject({ envelope: signedRelease, notes: z.string().max(10_000).default("") }),
    response: release,
    status: 201,
  }),
  retireRelease: operation({
    name: "retireRelease",
    method: "POST",
    path: "/releases/:id/retire",
    summary: "No rollout may use it any more.",
    permission: "releases.write",
    params: byId,
    response: release,
  }),
  listSigningKeys: operation({
    name: "listSigningKeys",
    method: "GET",
    path: "/signing-keys",
    summary: "Public keys whose signatures make a release.",
    permission: "releases.read",
    response: z.object({ items: z.array(signingKey) }),
  }),
  createSigningKey: operation({
    name: "createSigningKey",
    method: "POST",
    path: "/signing-keys",
    summary: "Registers a public ed25519 key. The private key stays with the signer.",
    permission: "releases.write",
    body: z.strictObject({ name: z.string().min(1).max(100), publicKeyPem: z.string().max(2_000) }),
    response: signingKey,
    status: 201,
  }),
  revokeSigningKey: operation({
    name: "revokeSigningKey",
    method: "POST",
    path: "/signing-keys/:id/revoke",
    summary: "Its signatures make no release any more; releases signed by it alone can no longer be rolled out.",
    permission: "releases.write",
    params: byId,
    body: z.strictObject({ reason: z.string().min(1).max(500) }),
    response: signingKey,
  }),
};
