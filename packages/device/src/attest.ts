import type { IncomingMessage } from "node:http";
import type { Problem } from "@tenfold/base";
import {
  type AttestationClaim,
  type AttestationEvidence,
  type AttestationOutcome,
  attestationChallenge,
  attestationOutcome,
} from "@tenfold/contracts";
import type { Evidence, TpmAttestor, TpmClaim } from "@tenfold/pki";
import { headersOf, type Proof } from "./enroll.ts";
import { deviceProblems } from "./errors.ts";
import { ask, type DeviceServer, readBody } from "./https.ts";

export type AttestWish = {
  readonly server: DeviceServer;
  /** Who asks: the manufacturer's identity, a one-time code, or the certificate that is in use. */
  readonly proof: Proof;
  /** The TPM's side, for the key that is to be vouched for. */
  readonly attestor: TpmAttestor;
  readonly signal?: AbortSignal;
};

const idleMs = 15_000;
const maxAnswerBytes = 16 * 1024;

/**
 * [docs/protocol/attestation.md] Shows the platform that a key lives in a genuine TPM, and what that TPM measured. A verdict of `failed` is an answer, not an
 * error. Throws `attestation_refused` (the platform does not begin: no maker is trusted, say), `enrollment_unreachable`, or what the TPM throws.
 */
export async function attestKey({ server, proof, attestor, signal }: AttestWish): Promise<AttestationOutcome> {
  const post = (path: string, body: object) => send({ server, proof, path, body, signal });
  const asked = attestationChallenge.safeParse(await post("/v1/attestations", claimOf(await attestor.claim())));
  if (!asked.success) throw unreadable(asked.error);
  const { attestation, credentialBlob, encryptedSecret, nonce, pcrs } = asked.data;
  const evidence = await attestor.answer({
    credentialBlob: Buffer.from(credentialBlob, "base64"),
    encryptedSecret: Buffer.from(encryptedSecret, "base64"),
    nonce: Buffer.from(nonce, "base64"),
    pcrs,
  });
  const told = attestationOutcome.safeParse(await post(`/v1/attestations/${attestation}`, evidenceOf(evidence)));
  if (!told.success) throw unreadable(told.error);
  return told.data;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

const claimOf = ({ ek, ekCertificates, ak, key }: TpmClaim): AttestationClaim => ({
  ek: text(ek),
  ekCertificates: ekCertificates.map(text),
  ak: text(ak),
  key: text(key),
});

const evidenceOf = ({ secret, certify, quote, pcrs }: Evidence): AttestationEvidence => ({
  secret: text(secret),
  certify: { attest: text(certify.attest), signature: text(certify.signature) },
  quote: { attest: text(quote.attest), signature: text(quote.signature) },
  pcrs: Object.fromEntries([...pcrs].map(([pcr, value]) => [String(pcr), value.toString("hex")])),
});

type Post = Pick<AttestWish, "server" | "proof"> & { path: string; body: object; signal: AbortSignal | undefined };

async function send({ server, proof, path, body, signal }: Post): Promise<unknown> {
  const identity = proof.is === "certificate" ? proof.identity : undefined;
  const headers = { ...headersOf(proof), "Content-Type": "application/json" };
  const answer = await ask({ server, path, method: "POST", headers, body: JSON.stringify(body), identity, idleMs, signal }).catch(
    (cause: unknown) => {
      throw deviceProblems.enrollment_unreachable("The platform's attestation endpoint was not reached.", { cause });
    },
  );
  const told = (await readBody(answer, maxAnswerBytes)).toString("utf8");
  if (answer.statusCode === 200) return parse(told);
  throw refusalOf(answer, told);
}

function refusalOf({ statusCode = 500 }: IncomingMessage, told: string): Problem {
  const make = statusCode >= 500 || statusCode === 429 ? deviceProblems.enrollment_unreachable : deviceProblems.attestation_refused;
  return make(`The attestation was answered with ${statusCode}: ${detailOf(told) ?? "no reason given"}`);
}

function detailOf(told: string): string | undefined {
  const problem = parse(told);
  if (typeof problem !== "object" || problem === null) return undefined;
  const { detail, fix } = problem as { detail?: unknown; fix?: unknown };
  return (
    [detail, fix]
      .filter((one) => typeof one === "string")
      .join(" ")
      .slice(0, 500) || undefined
  );
}

function parse(told: string): unknown {
  try {
    return JSON.parse(told);
  } catch {
    return undefined;
  }
}

const unreadable = (cause: unknown) =>
  deviceProblems.enrollment_unreachable("The platform's answer to the attestation cannot be read.", { cause });
