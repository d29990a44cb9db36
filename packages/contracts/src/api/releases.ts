import { z } from "zod";
import { signedRelease } from "../device/deployment.ts";
import { releaseChannel } from "./channels.ts";
import { pageOf, pageQuery, timestamp } from "./common.ts";
import { operation } from "./operation.ts";

/** `damagedAt`: since when it is known that the stored bytes are not those of the name. They are sent to nobody; uploading them again mends it. */
export const artifact = z.object({ sha256: z.string(), size: z.int(), createdAt: timestamp, damagedAt: timestamp.optional() });
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

/** A document about a release: what is in it (SBOM), or how it was built (provenance). */
export const attachment = z.object({
  id: z.string(),
  release: z.string(),
  kind: z.enum(["sbom", "provenance"]),
  sha256: z.string(),
  size: z.int(),
  format: z.string(),
  /** What the document says of itself: components and vulnerabilities, or builder, source and invocation. */
  summary: z.record(z.string(), z.string().or(z.number())),
  /** Trusted keys whose signature holds; empty where nobody who is known here vouches for it. */
  verifiedBy: z.array(z.string()),
  by: z.string(),
  createdAt: timestamp,
});
export type Attachment = z.infer<typeof attachment>;

export const component = z.object({
  name: z.string(),
  version: z.string().optional(),
  purl: z.string().optional(),
  type: z.string(),
  licences: z.array(z.string()),
});

/** A component in a release that contains it. */
export const componentFinding = z.object({
  release: z.object({ id: z.string(), name: z.string(), version: z.string(), channel: releaseChannel, retired: z.boolean() }),
  component,
});
export type ComponentFinding = z.infer<typeof componentFinding>;

export const provenanceKey = z.object({
  keyid: z.string(),
  name: z.string(),
  publicKeyPem: z.string(),
  createdAt: timestamp,
  revokedAt: timestamp.optional(),
});
export type ProvenanceKey = z.infer<typeof provenanceKey>;

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
const ofRelease = z.object({ id: z.string(), attachment: z.string() });
/** 16 Mi characters: an SBOM of a whole Linux image has some. */
const documentBody = z.strictObject({ document: z.string().min(2).max(16_777_216) });

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
  attachSbom: operation({
    name: "attachSbom",
    method: "POST",
    path: "/releases/:id/sboms",
    summary: "Attaches a CycloneDX SBOM, as its text, byte for byte. The same document twice is one.",
    permission: "releases.write",
    params: byId,
    body: documentBody,
    response: attachment,
    status: 201,
  }),
  attachProvenance: operation({
    name: "attachProvenance",
    method: "POST",
    path: "/releases/:id/provenances",
    summary:
      "Attaches SLSA provenance (in-toto Statement v1, bare, in a DSSE envelope or a Sigstore bundle), as its text, byte for byte.",
    permission: "releases.write",
    params: byId,
    body: documentBody,
    response: attachment,
    status: 201,
  }),
  listAttachments: operation({
    name: "listAttachments",
    method: "GET",
    path: "/releases/:id/attachments",
    summary: "What is attached to a release.",
    permission: "releases.read",
    params: byId,
    response: z.object({ items: z.array(attachment) }),
  }),
  getAttachment: operation({
    name: "getAttachment",
    method: "GET",
    path: "/releases/:id/attachments/:attachment",
    summary: "One attachment with its document.",
    permission: "releases.read",
    params: ofRelease,
    response: attachment.extend({ document: z.string() }),
  }),
  detachAttachment: operation({
    name: "detachAttachment",
    method: "DELETE",
    path: "/releases/:id/attachments/:attachment",
    summary: "Takes an attachment away, as long as no rollout has used the release.",
    permission: "releases.write",
    params: ofRelease,
    response: z.object({ detached: z.literal(true) }),
  }),
  listReleaseComponents: operation({
    name: "listReleaseComponents",
    method: "GET",
    path: "/releases/:id/components",
    summary: "What a release's SBOMs list, by name.",
    permission: "releases.read",
    params: byId,
    query: z.object({ limit: z.coerce.number().int().min(1).max(10_000).default(1_000) }),
    response: z.object({ items: z.array(component) }),
  }),
  findComponents: operation({
    name: "findComponents",
    method: "GET",
    path: "/components",
    summary: "Which releases contain a component: by name, package URL and version (`component=openssl&version=<3.0.14`).",
    permission: "releases.read",
    query: z.object({
      component: z.string().max(500).optional(),
      purl: z.string().max(1_000).optional(),
      version: z.string().max(200).optional(),
      limit: z.coerce.number().int().min(1).max(10_000).default(1_000),
    }),
    response: z.object({ items: z.array(componentFinding) }),
  }),
  listProvenanceKeys: operation({
    name: "listProvenanceKeys",
    method: "GET",
    path: "/provenance-keys",
    summary: "Public keys that may vouch for how an artifact was built.",
    permission: "releases.read",
    response: z.object({ items: z.array(provenanceKey) }),
  }),
  trustProvenanceKey: operation({
    name: "trustProvenanceKey",
    method: "POST",
    path: "/provenance-keys",
    summary: "Registers a public key (ed25519, ECDSA or RSA, PEM) that may vouch for provenance.",
    permission: "releases.write",
    body: z.strictObject({ name: z.string().min(1).max(100), publicKeyPem: z.string().max(5_000) }),
    response: provenanceKey,
    status: 201,
  }),
  revokeProvenanceKey: operation({
    name: "revokeProvenanceKey",
    method: "POST",
    path: "/provenance-keys/:id/revoke",
    summary: "It vouches for nothing any more, also not for what it vouched for before.",
    permission: "releases.write",
    params: byId,
    body: why,
    response: provenanceKey,
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
