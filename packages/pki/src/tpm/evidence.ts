import { createHash, timingSafeEqual } from "node:crypto";
import { Problem } from "@tenfold/base";
import type { Certificate } from "../certificate.ts";
import { validateDerChain } from "../chain.ts";
import { type Attest, readAttest, verifyTpmSignature } from "./attest.ts";
import { alg, attribute } from "./names.ts";
import { readTpmPublic, type TpmPublic } from "./public-area.ts";
import type { Signed } from "./tpm.ts";

/** What a device says of its TPM before anything is proven: TPMT_PUBLIC of three keys, and the endorsement key's certificate with what is above it. */
export type TpmClaim = {
  readonly ek: Buffer;
  /** DER, the endorsement key's own first. */
  readonly ekCertificates: readonly Buffer[];
  readonly ak: Buffer;
  readonly key: Buffer;
};

/** A claim that is worth a challenge: genuine endorsement key, keys with the right attributes. That they are in one TPM is not proven yet. */
export type PlausibleClaim = {
  readonly is: "plausible";
  readonly ek: TpmPublic;
  readonly ak: TpmPublic;
  readonly key: TpmPublic;
  readonly anchor: Certificate;
};

/** The checks of an attestation, in their order. Closed; docs/protocol/attestation.md lists each with its meaning. */
export type TpmCheck =
  | "endorsement_key"
  | "endorsement_certificate"
  | "attestation_key"
  | "device_key"
  | "credential"
  | "certification"
  | "quote"
  | "counters";
export type TpmFault = { readonly is: "fault"; readonly check: TpmCheck; readonly detail: string };

const fault = (check: TpmCheck, detail: string): TpmFault => ({ is: "fault", check, detail });

const { fixedTpm, fixedParent, sensitiveDataOrigin, restricted, decrypt, sign, encryptedDuplication, stClear } = attribute;
const bound = fixedTpm | fixedParent | sensitiveDataOrigin;

/** Whether the keys are what they should be and the endorsement key's certificate leads to one of `anchors`. Pure. */
export function judgeClaim(
  claim: TpmClaim,
  { anchors, at }: { anchors: readonly Certificate[]; at: number },
): PlausibleClaim | TpmFault {
  const ek = areaOf("endorsement_key", claim.ek);
  const ak = areaOf("attestation_key", claim.ak);
  const key = areaOf("device_key", claim.key);
  for (const one of [ek, ak, key]) if ("is" in one) return one;
  // None is a fault, as was just seen.
  const areas = { ek: ek as TpmPublic, ak: ak as TpmPublic, key: key as TpmPublic };
  const wrong = judgeAttributes(areas);
  if (wrong !== undefined) return wrong;
  const verdict = validateDerChain({ chain: claim.ekCertificates, anchors, at, usage: "tpm" });
  if (verdict.is === "invalid") return fault("endorsement_certificate", verdict.detail);
  if (!verdict.chain[0]?.publicKey.der.equals(areas.ek.publicKey.der))
    return fault(
      "endorsement_certificate",
      "The endorsement certificate is of another key than the endorsement key that was sent.",
    );
  return { is: "plausible", ...areas, anchor: verdict.anchor };
}

function areaOf(check: TpmCheck, bytes: Buffer): TpmPublic | TpmFault {
  try {
    return readTpmPublic(bytes);
  } catch (error) {
    if (error instanceof Problem) return fault(check, error.message);
    throw error;
  }
}

function judgeAttributes({ ek, ak, key }: { ek: TpmPublic; ak: TpmPublic; key: TpmPublic }): TpmFault | undefined {
  const has = (one: TpmPublic, all: number, none: number) => (one.attributes & all) === all && (one.attributes & none) === 0;
  if (!has(ek, bound | restricted | decrypt, sign) || ek.symmetric === undefined)
    return fault("endorsement_key", "The endorsement key is no restricted storage key that its TPM made for itself.");
  // A key that could sign what others hand it could be made to sign a forged attestation.
  if (!has(ak, bound | restricted | sign, decrypt) || ak.scheme === undefined)
    return fault("attestation_key", "The attestation key is no restricted signing key that its TPM made for itself.");
  if (!has(key, bound | sign, restricted | decrypt | encryptedDuplication | stClear))
    return fault("device_key", "The device's key is no signing key that its TPM made for itself and keeps.");
  return undefined;
}

/** What the challenge and its answer must agree on. */
export type Evidence = {
  /** What was opened with TPM2_ActivateCredential. */
  readonly secret: Buffer;
  readonly certify: Signed;
  readonly quote: Signed;
  /** Values of the quoted PCRs by number, in the SHA-256 bank. */
  readonly pcrs: ReadonlyMap<number, Buffer>;
};

/** The counters of a TPM at one attestation. */
export type TpmCounters = Pick<Attest, "clock" | "resetCount" | "restartCount" | "firmwareVersion">;

export type Expected = {
  readonly ak: TpmPublic;
  readonly key: TpmPublic;
  /** SHA-256 of the secret that was sealed. */
  readonly secretHash: Buffer;
  readonly nonce: Buffer;
  /** The PCRs that were asked for. */
  readonly pcrs: readonly number[];
  /** What this TPM said when it last attested. */
  readonly before: TpmCounters | undefined;
};

export type ProvenEvidence = { readonly is: "proven"; readonly counters: TpmCounters };

/** What the TPM signs over: the nonce, and the secret that only the TPM with the endorsement key could open. */
export const qualifyingData = (nonce: Uint8Array, secret: Uint8Array): Buffer =>
  createHash("sha256").update(nonce).update(secret).digest();

/**
 * Whether the answer proves that attestation key and device's key are in the TPM of the endorsement key, and that the PCRs are what it says. What
 * the PCRs are worth is another question (`matchReference`). Pure.
 */
export function judgeEvidence(evidence: Evidence, expected: Expected): ProvenEvidence | TpmFault {
  const { secret, certify, quote } = evidence;
  if (!timingSafeEqual(createHash("sha256").update(secret).digest(), expected.secretHash))
    return fault(
      "credential",
      "The secret is not the one that was sealed: the attestation key is not in the TPM of the endorsement key.",
    );
  const nonce = qualifyingData(expected.nonce, secret);
  const certified = attestOf("certification", { signed: certify, nonce, ak: expected.ak });
  if (certified.is === "fault") return certified;
  if (certified.is !== "certify" || !certified.name.equals(expected.key.name))
    return fault("certification", "The certification is of another key than the device's.");
  const quoted = attestOf("quote", { signed: quote, nonce, ak: expected.ak });
  if (quoted.is === "fault") return quoted;
  if (quoted.is !== "quote") return fault("quote", "This is no quote.");
  const wrong = judgeQuote(quoted, { pcrs: evidence.pcrs, asked: expected.pcrs });
  if (wrong !== undefined) return wrong;
  const { clock, resetCount, restartCount, firmwareVersion } = quoted;
  const counters = { clock, resetCount, restartCount, firmwareVersion };
  return judgeCounters(counters, expected.before) ?? { is: "proven", counters };
}

function attestOf(
  check: "certification" | "quote",
  { signed, nonce, ak }: { signed: Signed; nonce: Buffer; ak: TpmPublic },
): Attest | TpmFault {
  try {
    if (!verifyTpmSignature(ak, { bytes: signed.attest, signature: signed.signature }))
      return fault(check, `The ${check} is not signed by the attestation key.`);
    const attest = readAttest(signed.attest);
    if (!attest.extraData.equals(nonce)) return fault(check, `The ${check} answers another challenge.`);
    return attest;
  } catch (error) {
    if (error instanceof Problem) return fault(check, error.message);
    throw error;
  }
}

function judgeQuote(
  quote: Extract<Attest, { is: "quote" }>,
  { pcrs, asked }: { pcrs: ReadonlyMap<number, Buffer>; asked: readonly number[] },
): TpmFault | undefined {
  const [selection, ...more] = quote.selections;
  const wanted = [...asked].sort((a, b) => a - b);
  if (more.length > 0 || selection?.hash !== alg.sha256 || selection.pcrs.join() !== wanted.join())
    return fault("quote", `The quote is not over the PCRs ${wanted.join(", ")} of the SHA-256 bank.`);
  const values = wanted.map((pcr) => pcrs.get(pcr));
  if (values.some((value) => value?.length !== 32) || pcrs.size !== wanted.length)
    return fault("quote", "The values of the PCRs are not those that were asked for.");
  const digest = createHash("sha256");
  for (const value of values) if (value !== undefined) digest.update(value);
  return digest.digest().equals(quote.digest)
    ? undefined
    : fault("quote", "The values of the PCRs are not those that were quoted.");
}

/** A TPM's counters never fall. Where they do, the TPM is a copy, or a snapshot of a virtual one was brought back. */
function judgeCounters(now: TpmCounters, before: TpmCounters | undefined): TpmFault | undefined {
  if (before === undefined) return undefined;
  const back =
    now.resetCount < before.resetCount ||
    (now.resetCount === before.resetCount && (now.restartCount < before.restartCount || now.clock < before.clock));
  return back ? fault("counters", "The TPM's counters went back: it is a copy, or an old state was brought back.") : undefined;
}

/** Values that an operator holds to be right: for each PCR the hex digests that are allowed. */
export type PcrReference = { readonly pcrs: Readonly<Record<string, readonly string[]>> };

/** The first reference that all of its PCRs agree with; undefined when none does. Pure. */
export function matchReference<R extends PcrReference>(pcrs: ReadonlyMap<number, Buffer>, references: readonly R[]): R | undefined {
  return references.find((reference) =>
    Object.entries(reference.pcrs).every(([pcr, allowed]) => allowed.includes(pcrs.get(Number(pcr))?.toString("hex") ?? "")),
  );
}
