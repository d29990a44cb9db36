import { z } from "zod";
import { attestationSoftware } from "../device/attestation.ts";
import { timestamp } from "./common.ts";
import { deviceId } from "./devices.ts";
import { operation } from "./operation.ts";

/** A TPM maker's certificate authority: its word that a chip is genuine counts. */
export const tpmMaker = z.object({
  id: z.string(),
  name: z.string(),
  subject: z.string(),
  fingerprint: z.string(),
  notAfter: timestamp,
  createdAt: timestamp,
});
export type TpmMaker = z.infer<typeof tpmMaker>;

const pcrValues = z.record(
  z.string().regex(/^([0-9]|1[0-9]|2[0-3])$/),
  z
    .array(z.string().regex(/^[0-9a-f]{64}$/))
    .min(1)
    .max(32),
);

/** What a TPM should have measured at boot: for each PCR of the SHA-256 bank the values that are allowed. A name has generations. */
export const attestationReference = z.object({
  id: z.string(),
  name: z.string(),
  generation: z.int(),
  /** Counts for devices of this model; for all where it is absent. */
  model: z.string().optional(),
  pcrs: pcrValues,
  createdBy: z.string(),
  createdAt: timestamp,
  retiredAt: timestamp.optional(),
});
export type AttestationReference = z.infer<typeof attestationReference>;

/** One attestation: what a device's TPM said, and what it was worth (docs/protocol/attestation.md). */
export const attestation = z.object({
  id: z.string(),
  device: z.string(),
  at: timestamp,
  verdict: z.enum(["passed", "failed"]),
  /** The check that failed. */
  failedCheck: z.string().optional(),
  /** A sentence. */
  because: z.string(),
  software: attestationSoftware,
  /** The reference that matched: its name and generation. */
  reference: z.string().optional(),
  maker: z.string().optional(),
  ekFingerprint: z.string().optional(),
  keyFingerprint: z.string().optional(),
  /** Hex, by number. */
  pcrs: z.record(z.string(), z.string()).optional(),
  /** How often the TPM was reset, and its firmware. */
  resetCount: z.int().optional(),
  restartCount: z.int().optional(),
  tpmFirmware: z.string().optional(),
  action: z.enum(["noted", "quarantined"]).optional(),
});
export type Attestation = z.infer<typeof attestation>;

export const attestationDemand = z.enum(["none", "tpm", "software"]);
export type AttestationDemand = z.infer<typeof attestationDemand>;

const byId = z.object({ id: z.string() });

export const attestationOperations = {
  listTpmMakers: operation({
    name: "listTpmMakers",
    method: "GET",
    path: "/tpm-makers",
    summary: "TPM makers whose endorsement certificates are believed.",
    permission: "enrollment.read",
    response: z.object({ items: z.array(tpmMaker) }),
  }),
  createTpmMaker: operation({
    name: "createTpmMaker",
    method: "POST",
    path: "/tpm-makers",
    summary: "Believes a TPM maker's certificate authority: a root, or the one that signs its endorsement certificates.",
    permission: "enrollment.write",
    body: z.strictObject({ name: z.string().min(1).max(100), certificatePem: z.string().min(1).max(20_000) }),
    response: tpmMaker,
    status: 201,
  }),
  deleteTpmMaker: operation({
    name: "deleteTpmMaker",
    method: "DELETE",
    path: "/tpm-makers/:id",
    summary: "Believes a TPM maker no longer; attestations that passed stay as they were.",
    permission: "enrollment.write",
    params: byId,
    response: z.object({ deleted: z.literal(true) }),
  }),
  listAttestationReferences: operation({
    name: "listAttestationReferences",
    method: "GET",
    path: "/attestation-references",
    summary: "What TPMs should have measured at boot, newest first.",
    permission: "enrollment.read",
    response: z.object({ items: z.array(attestationReference) }),
  }),
  createAttestationReference: operation({
    name: "createAttestationReference",
    method: "POST",
    path: "/attestation-references",
    summary:
      "Keeps reference values: given ones, or those of a device's last attestation. A name that exists gets its next generation.",
    permission: "enrollment.write",
    body: z
      .strictObject({
        name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/),
        model: z.string().max(64).optional(),
        pcrs: pcrValues.optional(),
        device: deviceId.optional(),
        /** Which PCRs of the device's are meant; all that it quoted unless told otherwise. */
        only: z.array(z.int().min(0).max(23)).min(1).optional(),
      })
      .refine(({ pcrs, device }) => (pcrs === undefined) !== (device === undefined), "Give pcrs or device, and not both."),
    response: attestationReference,
    status: 201,
  }),
  retireAttestationReference: operation({
    name: "retireAttestationReference",
    method: "POST",
    path: "/attestation-references/:id/retire",
    summary: "Lets a generation of a reference count no longer: what it measured is old or bad.",
    permission: "enrollment.write",
    params: byId,
    response: attestationReference,
  }),
  listAttestations: operation({
    name: "listAttestations",
    method: "GET",
    path: "/attestations",
    summary: "What TPMs said and what it was worth, newest first.",
    permission: "enrollment.read",
    query: z.object({ device: deviceId.optional(), limit: z.coerce.number().int().min(1).max(500).default(50) }),
    response: z.object({ items: z.array(attestation) }),
  }),
  listAttestationPolicies: operation({
    name: "listAttestationPolicies",
    method: "GET",
    path: "/attestation-policies",
    summary: "Trust anchors whose devices must attest before they get a certificate.",
    permission: "enrollment.read",
    response: z.object({
      items: z.array(z.object({ anchor: z.string(), name: z.string(), demand: attestationDemand, since: timestamp })),
    }),
  }),
  setAttestationPolicy: operation({
    name: "setAttestationPolicy",
    method: "PUT",
    path: "/trust-anchors/:id/attestation",
    summary:
      "What a manufacturer's devices must show before they get a certificate: nothing, a key in a TPM, or known software too.",
    permission: "enrollment.write",
    params: byId,
    body: z.strictObject({ demand: attestationDemand }),
    response: z.object({ anchor: z.string(), demand: attestationDemand }),
  }),
  forgetTpm: operation({
    name: "forgetTpm",
    method: "POST",
    path: "/devices/:id/tpm/forget",
    summary: "Lets a device come with another TPM, after its board was replaced.",
    permission: "enrollment.write",
    params: z.object({ id: deviceId }),
    body: z.strictObject({ reason: z.string().min(1).max(500) }),
    response: z.object({ forgotten: z.int() }),
  }),
};
