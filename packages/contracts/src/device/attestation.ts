import { z } from "zod";

/** Bytes in base64; `most` bounds them before anything is parsed. */
const bytes = (most: number) => z.base64().max(Math.ceil(most / 3) * 4);
const area = bytes(1_024);
const signed = z.strictObject({ attest: bytes(1_024), signature: bytes(1_100) });
const pcrNumber = z.string().regex(/^([0-9]|1[0-9]|2[0-3])$/);

/** [docs/protocol/attestation.md 2] What a device says of its TPM: TPMT_PUBLIC of three keys, certificates in DER, the endorsement key's own first. */
export const attestationClaim = z.strictObject({
  ek: area,
  ekCertificates: z.array(bytes(4_096)).min(1).max(8),
  ak: area,
  key: area,
});
export type AttestationClaim = z.infer<typeof attestationClaim>;

/** What the platform asks then: blob and secret are TPM2B, as TPM2_ActivateCredential takes them. */
export const attestationChallenge = z.object({
  attestation: z.string(),
  credentialBlob: z.base64(),
  encryptedSecret: z.base64(),
  nonce: z.base64(),
  /** Of the SHA-256 bank. */
  pcrs: z.array(z.int().min(0).max(23)).min(1),
  expiresAt: z.string(),
});
export type AttestationChallenge = z.infer<typeof attestationChallenge>;

/** [3] The device's answer. */
export const attestationEvidence = z.strictObject({
  secret: bytes(64),
  certify: signed,
  quote: signed,
  /** Hex, by the number of the PCR. */
  pcrs: z.record(pcrNumber, z.string().regex(/^[0-9a-f]{64}$/)),
});
export type AttestationEvidence = z.infer<typeof attestationEvidence>;

export const attestationSoftware = z.enum(["matches", "differs", "unjudged"]);

/** What came of it. `because` is a sentence. */
export const attestationOutcome = z.object({
  attestation: z.string(),
  verdict: z.enum(["passed", "failed"]),
  because: z.string(),
  software: attestationSoftware,
});
export type AttestationOutcome = z.infer<typeof attestationOutcome>;
