import { z } from "zod";
import { attestationSoftware } from "../device/attestation.ts";
import { attestation } from "./attestations.ts";
import { pageOf, pageQuery, timestamp } from "./common.ts";
import { deviceId, tags } from "./devices.ts";
import { operation } from "./operation.ts";

/** A key with which a manufacturer signs its manifests. */
export const manifestKey = z.object({
  id: z.string(),
  name: z.string(),
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  fingerprint: z.string(),
  createdAt: timestamp,
});
export type ManifestKey = z.infer<typeof manifestKey>;

/** What an unsigned manifest is worth: `any` counts; `signed` says that only what this manufacturer signed lets its devices in. */
const manifestPolicy = z.enum(["any", "signed"]);
const unknownDevices = z.enum(["approve", "refuse"]);

/** A manifest that was imported, and whose word it was. */
export const manifest = z.object({
  id: z.string(),
  importedAt: timestamp,
  importedBy: z.string(),
  expected: z.int(),
  already: z.int(),
  /** SHA-256 of the document, where there was one. */
  documentHash: z.string().optional(),
  /** The manufacturer whose key has signed it; absent where it was a person's word. */
  signedBy: z.string().optional(),
  keyFingerprint: z.string().optional(),
  /** The signer's own word. */
  signedAt: timestamp.optional(),
});
export type Manifest = z.infer<typeof manifest>;

/** A manufacturer's certificate authority whose device identities (IDevID) may enroll. */
export const trustAnchor = z.object({
  id: z.string(),
  name: z.string(),
  subject: z.string(),
  fingerprint: z.string(),
  notAfter: timestamp,
  /** Whether a device that chains to it but stands in no manifest waits for approval, or is refused. */
  unknownDevices,
  manifests: manifestPolicy,
  manifestKeys: z.array(manifestKey),
  createdAt: timestamp,
});
export type TrustAnchor = z.infer<typeof trustAnchor>;

export const manifestEntry = z.strictObject({ serial: deviceId, model: z.string().max(64).optional(), tags: tags.optional() });

/** One try to enroll, accepted or not: the step that decided, why, and what to do. */
export const enrollmentAttempt = z.object({
  id: z.string(),
  at: timestamp,
  serial: z.string().optional(),
  device: z.string().optional(),
  operation: z.enum(["simpleenroll", "simplereenroll", "link_renewal", "connect", "attest"]),
  method: z.enum(["idevid", "one_time_code", "ldevid", "none"]),
  verdict: z.enum(["issued", "pending", "refused"]),
  /** The check that decided, in the order of the flow. */
  step: z.string(),
  /** The stable code of the reason (docs/protocol/enrollment.md). */
  because: z.string().optional(),
  reason: z.string(),
  fix: z.string().optional(),
  remoteAddress: z.string().optional(),
  fingerprint: z.string().optional(),
  /** How often within its minute: repeated refusals are one entry. */
  count: z.int().optional(),
});
export type EnrollmentAttempt = z.infer<typeof enrollmentAttempt>;

/** An entry of the attempt log with its place in the hash chain. `entry` is absent when it was forgotten after its time. */
export const sealedEntry = z.object({
  seq: z.int(),
  entryHash: z.string(),
  hash: z.string(),
  entry: z.record(z.string(), z.string()).optional(),
});

export const pendingEnrollment = z.object({
  id: z.string(),
  serial: z.string(),
  anchor: z.string().optional(),
  keyFingerprint: z.string(),
  firstSeenAt: timestamp,
  lastSeenAt: timestamp,
  attempts: z.int(),
});
export type PendingEnrollment = z.infer<typeof pendingEnrollment>;

export const certificate = z.object({
  serialNumber: z.string(),
  fingerprint: z.string(),
  device: z.string(),
  subject: z.string(),
  notBefore: timestamp,
  notAfter: timestamp,
  state: z.enum(["issued", "active", "superseded", "expired", "revoked"]),
  revokedAt: timestamp.optional(),
  revokedBecause: z.string().optional(),
});
export type Certificate = z.infer<typeof certificate>;

/** How much a device's identity is worth (docs/protocol/enrollment.md 9), with the evidence that it rests on. */
export const deviceTrust = z.object({
  device: deviceId,
  level: z.int().min(0).max(4),
  /** A sentence: why it is no less. */
  because: z.string(),
  /** A sentence: what would make it more. Absent at 4. */
  next: z.string().optional(),
  evidence: z.object({
    admittedBy: z.enum(["manifest", "person"]),
    keyHeldIn: z.enum(["software", "secure_element"]),
    attestation: z.object({ keyInTpm: z.boolean(), software: attestationSoftware }).optional(),
  }),
  /** The newest attestation, whatever came of it. */
  newest: attestation.optional(),
});
export type DeviceTrust = z.infer<typeof deviceTrust>;

/** A rotation of our own authority as a staged plan. `gate` says what the next phase waits for. */
export const rotation = z.object({
  id: z.string(),
  kind: z.enum(["issuing", "root"]),
  /** distribute: devices learn the new trust. serve: the endpoints show it. issue: new certificates come from it; no way back. */
  phase: z.enum(["distribute", "serve", "issue", "done", "aborted"]),
  share: z.number(),
  heldBecause: z.string().optional(),
  startedAt: timestamp,
  phaseSince: timestamp,
  endedAt: timestamp.optional(),
  endedBecause: z.string().optional(),
  gate: z.object({
    open: z.boolean(),
    /** A sentence: what is waited for, with the numbers. */
    waitsFor: z.string(),
    activeDevices: z.int(),
    /** Of these, how many believe the new root. */
    withNewTrust: z.int(),
    /** Certificates in use that the old authority issued. */
    oldCertificates: z.int(),
    /** Some of the devices that are waited for. */
    stragglers: z.array(z.string()),
  }),
});
export type Rotation = z.infer<typeof rotation>;
const because = z.strictObject({ reason: z.string().min(1).max(500) });

export const enrollmentOperations = {
  startRotation: operation({
    name: "startRotation",
    method: "POST",
    path: "/identity/rotations",
    summary: "Makes a new issuing CA, or a new root with an issuing CA, and begins to tell devices of it.",
    permission: "enrollment.write",
    body: z.strictObject({
      kind: z.enum(["issuing", "root"]),
      /** The share of active devices that must have the new trust before the next phase. */
      share: z.number().gt(0).max(1).default(1),
    }),
    response: rotation,
    status: 201,
  }),
  listRotations: operation({
    name: "listRotations",
    method: "GET",
    path: "/identity/rotations",
    summary: "Rotations of our own authority, newest first; the open one with what it waits for.",
    permission: "enrollment.read",
    response: z.object({ items: z.array(rotation) }),
  }),
  holdRotation: operation({
    name: "holdRotation",
    method: "POST",
    path: "/identity/rotations/:id/hold",
    summary: "Stops a rotation where it is.",
    permission: "enrollment.write",
    params: z.object({ id: z.string() }),
    body: because,
    response: rotation,
  }),
  resumeRotation: operation({
    name: "resumeRotation",
    method: "POST",
    path: "/identity/rotations/:id/resume",
    summary: "Lets a held rotation go on.",
    permission: "enrollment.write",
    params: z.object({ id: z.string() }),
    body: because,
    response: rotation,
  }),
  abortRotation: operation({
    name: "abortRotation",
    method: "POST",
    path: "/identity/rotations/:id/abort",
    summary: "Goes back to the old authority. Possible until certificates are issued by the new one.",
    permission: "enrollment.write",
    params: z.object({ id: z.string() }),
    body: because,
    response: rotation,
  }),
  listTrustAnchors: operation({
    name: "listTrustAnchors",
    method: "GET",
    path: "/trust-anchors",
    summary: "Manufacturers whose devices may enroll.",
    permission: "enrollment.read",
    response: z.object({ items: z.array(trustAnchor) }),
  }),
  createTrustAnchor: operation({
    name: "createTrustAnchor",
    method: "POST",
    path: "/trust-anchors",
    summary: "Trusts a manufacturer's certificate authority.",
    permission: "enrollment.write",
    body: z.strictObject({
      name: z.string().min(1).max(100),
      certificatePem: z.string().min(1).max(20_000),
      unknownDevices: unknownDevices.default("approve"),
      manifests: manifestPolicy.default("any"),
    }),
    response: trustAnchor,
    status: 201,
  }),
  changeTrustAnchor: operation({
    name: "changeTrustAnchor",
    method: "PATCH",
    path: "/trust-anchors/:id",
    summary: "Changes what a manufacturer's word is worth. Devices that enrolled stay.",
    permission: "enrollment.write",
    params: z.object({ id: z.string() }),
    body: z.strictObject({ unknownDevices: unknownDevices.optional(), manifests: manifestPolicy.optional() }),
    response: trustAnchor,
  }),
  addManifestKey: operation({
    name: "addManifestKey",
    method: "POST",
    path: "/trust-anchors/:id/manifest-keys",
    summary: "Believes manifests that are signed with this key, for this manufacturer's devices.",
    permission: "enrollment.write",
    params: z.object({ id: z.string() }),
    body: z.strictObject({ name: z.string().min(1).max(100), publicKeyPem: z.string().min(1).max(20_000) }),
    response: manifestKey,
    status: 201,
  }),
  deleteManifestKey: operation({
    name: "deleteManifestKey",
    method: "DELETE",
    path: "/trust-anchors/:id/manifest-keys/:key",
    summary: "Believes no further manifest that is signed with this key; what was imported stays.",
    permission: "enrollment.write",
    params: z.object({ id: z.string(), key: z.string() }),
    response: z.object({ deleted: z.literal(true) }),
  }),
  deleteTrustAnchor: operation({
    name: "deleteTrustAnchor",
    method: "DELETE",
    path: "/trust-anchors/:id",
    summary: "Stops trusting a manufacturer for new enrollments; devices that enrolled stay.",
    permission: "enrollment.write",
    params: z.object({ id: z.string() }),
    response: z.object({ deleted: z.literal(true) }),
  }),
  importManifest: operation({
    name: "importManifest",
    method: "POST",
    path: "/manifests",
    summary: "Expected serial numbers, as JSON. Importing the same ones again changes nothing.",
    permission: "enrollment.write",
    body: z.strictObject({ entries: z.array(manifestEntry).min(1).max(100_000) }),
    response: z.object({ expected: z.int(), already: z.int() }),
    status: 201,
  }),
  importSignedManifest: operation({
    name: "importSignedManifest",
    method: "POST",
    path: "/manifests/signed",
    summary: "Expected serial numbers on a manufacturer's signed word: the document (CSV or JSON) as it is, and its CMS signature.",
    permission: "enrollment.write",
    body: z.strictObject({
      document: z.string().min(1).max(24_000_000),
      /** RFC 5652 SignedData, detached, DER in base64. */
      signature: z.string().min(1).max(100_000),
    }),
    response: z.object({ expected: z.int(), already: z.int(), signedBy: z.string(), keyFingerprint: z.string() }),
    status: 201,
  }),
  listManifests: operation({
    name: "listManifests",
    method: "GET",
    path: "/manifests",
    summary: "Manifests that were imported, newest first, and who has signed them.",
    permission: "enrollment.read",
    query: pageQuery,
    response: pageOf(manifest),
  }),
  createEnrollmentCode: operation({
    name: "createEnrollmentCode",
    method: "POST",
    path: "/enrollment-codes",
    summary: "A one-time code bound to one serial number, for development boards. It is shown only here.",
    permission: "enrollment.write",
    body: z.strictObject({ serial: deviceId, lifetimeS: z.int().min(60).max(604_800).default(3_600) }),
    response: z.object({ serial: z.string(), code: z.string(), expiresAt: timestamp }),
    status: 201,
    answer: "shown_once",
  }),
  listEnrollmentAttempts: operation({
    name: "listEnrollmentAttempts",
    method: "GET",
    path: "/enrollments",
    summary: "The attempt log, newest first.",
    permission: "enrollment.read",
    query: pageQuery.extend({
      serial: z.string().optional(),
      verdict: z.enum(["issued", "pending", "refused"]).optional(),
      because: z.string().max(64).optional(),
    }),
    response: pageOf(enrollmentAttempt),
  }),
  exportEnrollmentLog: operation({
    name: "exportEnrollmentLog",
    method: "GET",
    path: "/enrollments/log",
    summary: "The sealed attempt log, oldest first, after an entry's number. `tenfold enroll verify` checks it without the server.",
    permission: "enrollment.read",
    query: z.object({
      after: z.coerce.number().int().min(0).default(0),
      limit: z.coerce.number().int().min(1).max(5_000).default(1_000),
    }),
    response: z.object({ items: z.array(sealedEntry) }),
  }),
  listPendingEnrollments: operation({
    name: "listPendingEnrollments",
    method: "GET",
    path: "/enrollments/pending",
    summary: "Devices that wait for approval.",
    permission: "enrollment.read",
    response: z.object({ items: z.array(pendingEnrollment) }),
  }),
  approveEnrollment: operation({
    name: "approveEnrollment",
    method: "POST",
    path: "/enrollments/pending/:id/approve",
    summary: "Lets a waiting device in; it gets its certificate at its next try.",
    permission: "enrollment.write",
    params: z.object({ id: z.string() }),
    response: pendingEnrollment,
  }),
  rejectEnrollment: operation({
    name: "rejectEnrollment",
    method: "POST",
    path: "/enrollments/pending/:id/reject",
    summary: "Refuses a waiting device.",
    permission: "enrollment.write",
    params: z.object({ id: z.string() }),
    body: z.strictObject({ reason: z.string().min(1).max(500) }),
    response: pendingEnrollment,
  }),
  getDeviceTrust: operation({
    name: "getDeviceTrust",
    method: "GET",
    path: "/devices/:id/trust",
    summary: "How much a device's identity is worth, 0 to 4: why, and what would raise it.",
    permission: "devices.read",
    params: z.object({ id: deviceId }),
    response: deviceTrust,
  }),
  listCertificates: operation({
    name: "listCertificates",
    method: "GET",
    path: "/certificates",
    summary: "Certificates that were issued, newest first.",
    permission: "enrollment.read",
    query: pageQuery.extend({ device: z.string().optional() }),
    response: pageOf(certificate),
  }),
  revokeCertificates: operation({
    name: "revokeCertificates",
    method: "POST",
    path: "/certificates/revoke",
    summary: "Revokes many certificates in one step, all or none; live connections that use them are closed.",
    permission: "devices.suspend",
    body: z.strictObject({
      serialNumbers: z.array(z.string().min(1).max(64)).min(1).max(1_000),
      reason: z.string().min(1).max(500),
    }),
    response: z.object({ revoked: z.int(), already: z.int() }),
  }),
  revokeCertificate: operation({
    name: "revokeCertificate",
    method: "POST",
    path: "/certificates/:serialNumber/revoke",
    summary: "Revokes one certificate; live connections that use it are closed.",
    permission: "devices.suspend",
    params: z.object({ serialNumber: z.string() }),
    body: z.strictObject({ reason: z.string().min(1).max(500) }),
    response: certificate,
  }),
};
