import { z } from "zod";
import { signedRelease } from "../device/deployment.ts";
import { releaseChannel } from "./channels.ts";
import { pageOf, pageQuery, timestamp } from "./common.ts";
import { operation } from "./operation.ts";

export const artifact = z.object({ sha256: z.string(), size: z.int(), createdAt: timestamp });
export type Artifact = z.infer<typeof artifact>;

export const release = z.object({
  id: z.string(),
  name: z.string(),
  version: z.string(),
  /** As the statement says: where it fits. */
  models: z.array(z.string()),
  hardwareRevisions: z.array(z.string()).optional(),
  minimumVersion: z.string().optional(),
  mustPassThrough: z.array(z.string()).optional(),
  artifact,
  notes: z.string(),
  channel: releaseChannel,
  /** What the devices verify: statement and signatures, exactly as they were uploaded. */
  envelope: signedRelease,
  signedBy: z.array(z.string()),
  /** When a rollout first took it. From then on its notes and what is attached to it stay as they are. */
  usedAt: timestamp.optional(),
  retired: z.boolean(),
  retirement: z.object({ at: timestamp, by: z.string(), because: z.string() }).optional(),
  /** How many devices run it now. */
  devices: z.int(),
  createdAt: timestamp,
});
export type Release = z.infer<typeof release>;

/** An artifact on its way in. */
export const upload = z.object({
  id: z.string(),
  sha256: z.string(),
  size: z.int(),
  received: z.int(),
  by: z.string(),
  createdAt: timestamp,
  /** When it is removed if nobody goes on with it. */
  expiresAt: timestamp,
});
export type Upload = z.infer<typeof upload>;

export const signingKey = z.object({
  keyid: z.string(),
  name: z.string(),
  publicKeyPem: z.string(),
  createdAt: timestamp,
  revokedAt: timestamp.optional(),
});
export type SigningKey = z.infer<typeof signingKey>;

const byId = z.object({ id: z.string() });
const why = z.strictObject({ reason: z.string().min(1).max(500) });
const notes = z.string().max(10_000);

export const releaseOperations = {
  listReleases: operation({
    name: "listReleases",
    method: "GET",
    path: "/releases",
    summary: "Releases, newest first.",
    permission: "releases.read",
    query: pageQuery.extend({
      channel: releaseChannel.optional(),
      name: z.string().max(64).optional(),
      version: z.string().max(64).optional(),
      retired: z.enum(["true", "false"]).optional(),
    }),
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
    body: z.strictObject({ envelope: signedRelease, notes: notes.default(""), channel: releaseChannel.default("stable") }),
    response: release,
    status: 201,
  }),
  changeRelease: operation({
    name: "changeRelease",
    method: "PATCH",
    path: "/releases/:id",
    summary: "Moves a release to another channel, or says its notes anew as long as no rollout has used it.",
    permission: "releases.write",
    params: byId,
    body: z.strictObject({ channel: releaseChannel.optional(), notes: notes.optional() }),
    response: release,
  }),
  retireRelease: operation({
    name: "retireRelease",
    method: "POST",
    path: "/releases/:id/retire",
    summary: "No rollout may use it any more; one that is under way pauses.",
    permission: "releases.write",
    params: byId,
    body: why,
    response: release,
  }),
  reinstateRelease: operation({
    name: "reinstateRelease",
    method: "POST",
    path: "/releases/:id/reinstate",
    summary: "Takes a retirement back.",
    permission: "releases.write",
    params: byId,
    body: why,
    response: release,
  }),
  listUploads: operation({
    name: "listUploads",
    method: "GET",
    path: "/uploads",
    summary: "Artifacts whose upload has begun and not ended. The upload itself speaks tus 1.0 at this path.",
    permission: "releases.read",
    response: z.object({ items: z.array(upload) }),
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
    body: why,
    response: signingKey,
  }),
};
