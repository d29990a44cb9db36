import { createHash } from "node:crypto";
import type { AttestationDemand } from "@tenfold/contracts";
import { type PcrReference, type PlausibleClaim, spkiFingerprint, type TpmFault, type TpmPublic } from "@tenfold/pki";
import { type Refused, refuse } from "./attempt.ts";

/** What a device must have attested for it to get a certificate: nothing, a key in a TPM, or known software too. */
export type Demand = AttestationDemand;

/** An attestation of the key that a certificate is asked for. */
export type KeyAttestation = { readonly id: string; readonly software: "matches" | "differs" | "unjudged" };

/** Where no reference says otherwise: firmware, its drivers, boot loader, secure boot policy. */
const usualPcrs = [0, 2, 4, 7];

/** A reference that counts for some devices. */
export type Reference = PcrReference & { readonly id: string; readonly label: string; readonly model: string | undefined };

export const referencesFor = (references: readonly Reference[], model: string | undefined): Reference[] =>
  references.filter((one) => one.model === undefined || one.model === model);

/** Which PCRs to ask for: all that a reference of the device's model looks at. */
export function pcrsFor(references: readonly Reference[]): number[] {
  const named = references.flatMap(({ pcrs }) => Object.keys(pcrs).map(Number));
  return [...new Set(named.length > 0 ? named : usualPcrs)].sort((a, b) => a - b);
}

/** What is known of a TPM from before, by its endorsement key. */
export type TpmPast = {
  /** The device that this TPM attested for. */
  readonly ekHolder: string | undefined;
  /** The endorsement key (fingerprint) with which this device attested. */
  readonly boundEk: string | undefined;
};

export const ekFingerprintOf = ({ publicKey }: TpmPublic): string => spkiFingerprint(publicKey.der);

/** A genuine TPM is not yet this device's: one chip, one device. Undefined when nothing speaks against it. */
export function judgeBinding(claim: PlausibleClaim, { device, past }: { device: string; past: TpmPast }): TpmFault | undefined {
  const fingerprint = ekFingerprintOf(claim.ek);
  if (past.ekHolder !== undefined && past.ekHolder !== device) return bindingFault(`This TPM belongs to device ${past.ekHolder}.`);
  if (past.boundEk !== undefined && past.boundEk !== fingerprint)
    return bindingFault(`Device ${device} attested with another TPM before. After a repair: tenfold attest forget ${device}`);
  return undefined;
}

const bindingFault = (detail: string): TpmFault => ({ is: "fault", check: "endorsement_key", detail });

/** Whether a certificate may be issued for a key under the manufacturer's policy. */
export function judgeDemand({
  demand,
  attested,
  serial,
}: {
  demand: Demand;
  attested: KeyAttestation | undefined;
  serial: string;
}): Refused | undefined {
  if (demand === "none" || (attested !== undefined && (demand === "tpm" || attested.software === "matches"))) return undefined;
  const reason =
    attested === undefined
      ? `No TPM has vouched for the key in the request of ${serial} within the last hour, and its manufacturer's devices must attest.`
      : `The key of ${serial} is in a TPM, but what runs there matches no reference.`;
  return refuse({
    step: "attestation",
    because: attested === undefined ? "attestation_required" : "software_unknown",
    reason,
    fix:
      attested === undefined
        ? `Attest first: POST /v1/attestations (the agent does with --keys tpm:). See why it failed: tenfold attest log ${serial}`
        : `See what it measured: tenfold attest log ${serial}. Keep it as a reference if it is right: tenfold attest reference NAME --device ${serial}`,
    status: 403,
  });
}

/** How long an attestation of a key counts for the request of a certificate. */
export const freshFor = 3_600_000;

export const hashOfSecret = (secret: Uint8Array): Buffer => createHash("sha256").update(secret).digest();

/** The sentence of an attestation that passed. */
export function sentenceOf(software: KeyAttestation["software"], reference: string | undefined): string {
  if (software === "matches") return `The key is in a genuine TPM, and what it measured matches ${reference ?? "a reference"}.`;
  if (software === "differs") return "The key is in a genuine TPM, but what it measured matches no reference.";
  return "The key is in a genuine TPM. There is no reference for what it measured.";
}

/** What to do about an attestation that failed, or that shows software which nobody knows. */
export type AttestationFailurePolicy = "note" | "quarantine";

export const calledForAction = ({
  verdict,
  software,
}: {
  verdict: "passed" | "failed";
  software: KeyAttestation["software"];
}): boolean => verdict === "failed" || software === "differs";
