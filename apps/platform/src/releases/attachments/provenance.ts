import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import { z } from "zod";
import { releaseProblems } from "../errors.ts";

/** in-toto Attestation Framework, Statement v1. Members that it does not name are for others and are ignored, as it asks. */
const statement = z.object({
  _type: z.literal("https://in-toto.io/Statement/v1"),
  subject: z
    .array(z.object({ name: z.string().optional(), digest: z.record(z.string(), z.string()) }))
    .min(1)
    .max(10_000),
  predicateType: z.literal("https://slsa.dev/provenance/v1"),
  /** SLSA 1.0, "Provenance": what was built from what, by whom. */
  predicate: z.object({
    buildDefinition: z.object({
      buildType: z.string().min(1),
      externalParameters: z.record(z.string(), z.unknown()),
      internalParameters: z.record(z.string(), z.unknown()).optional(),
      resolvedDependencies: z
        .array(z.object({ uri: z.string().optional(), digest: z.record(z.string(), z.string()).optional() }))
        .optional(),
    }),
    runDetails: z.object({
      builder: z.object({ id: z.string().min(1) }),
      metadata: z
        .object({ invocationId: z.string().optional(), startedOn: z.string().optional(), finishedOn: z.string().optional() })
        .optional(),
    }),
  }),
});
type Statement = z.infer<typeof statement>;

/** Dead Simple Signing Envelope v1. */
const envelope = z.object({
  payloadType: z.literal("application/vnd.in-toto+json"),
  payload: z.base64(),
  signatures: z
    .array(z.object({ keyid: z.string().optional(), sig: z.base64() }))
    .min(1)
    .max(16),
});
type Envelope = z.infer<typeof envelope>;
/** A Sigstore bundle holds one. Its certificate and its log entry are not judged here. */
const bundle = z.object({ mediaType: z.string().startsWith("application/vnd.dev.sigstore.bundle"), dsseEnvelope: envelope });

export type Provenance = {
  builder: string;
  buildType: string;
  /** Where the source came from, where it says so. */
  source?: string;
  invocation?: string;
  finishedAt?: string;
};
export type ReadProvenance = { provenance: Provenance; envelope?: Envelope; format: string };

/** Reads a document that should vouch for an artifact, and refuses one that does not speak of it. */
export function readProvenance(parsed: unknown, artifact: { sha256: string }): ReadProvenance {
  const { signed, envelope: sealed } = open(parsed);
  const told = statement.safeParse(signed);
  if (!told.success) throw invalid(told.error);
  const digests = told.data.subject.flatMap(({ digest }) => digest.sha256?.toLowerCase() ?? []);
  if (!digests.includes(artifact.sha256))
    throw releaseProblems.attachment_of_another(
      `The provenance speaks of ${digests.slice(0, 3).join(", ") || "no SHA-256 at all"}; the release's artifact has ${artifact.sha256}.`,
      { field: "subject", fix: "Attach the provenance of this very build." },
    );
  return {
    provenance: summaryOf(told.data),
    format: sealed ? "SLSA provenance v1 in a DSSE envelope" : "SLSA provenance v1, unsigned",
    ...(sealed ? { envelope: sealed } : {}),
  };
}

function open(parsed: unknown): { signed: unknown; envelope?: Envelope } {
  const looksSealed = typeof parsed === "object" && parsed !== null && ("payload" in parsed || "dsseEnvelope" in parsed);
  if (!looksSealed) return { signed: parsed };
  const sealed = "dsseEnvelope" in parsed ? bundle.safeParse(parsed) : envelope.safeParse(parsed);
  if (!sealed.success) throw invalid(sealed.error);
  const found = "dsseEnvelope" in sealed.data ? sealed.data.dsseEnvelope : sealed.data;
  try {
    return { signed: JSON.parse(Buffer.from(found.payload, "base64").toString("utf8")), envelope: found };
  } catch (cause) {
    throw releaseProblems.attachment_invalid("The envelope's payload is no JSON.", { cause, field: "payload" });
  }
}

function invalid(error: z.ZodError): Error {
  const [issue] = error.issues;
  const field = issue?.path.map(String).join(".") || "document";
  return releaseProblems.attachment_invalid(`The provenance is not as it must be: ${field}: ${issue?.message}.`, {
    field,
    fix: "An in-toto Statement v1 with SLSA provenance v1, bare, in a DSSE envelope, or in a Sigstore bundle.",
  });
}

function summaryOf({ predicate: { buildDefinition, runDetails } }: Statement): Provenance {
  const source = buildDefinition.resolvedDependencies?.find(({ uri }) => uri?.startsWith("git+"))?.uri;
  const { invocationId, finishedOn } = runDetails.metadata ?? {};
  return {
    builder: runDetails.builder.id,
    buildType: buildDefinition.buildType,
    ...(source ? { source } : {}),
    ...(invocationId ? { invocation: invocationId } : {}),
    ...(finishedOn ? { finishedAt: finishedOn } : {}),
  };
}

export type VouchingKey = { keyid: string; key: KeyObject };

/** A public key that may vouch: ed25519, ECDSA on P-256 or P-384, or RSA; named by the SHA-256 of its SubjectPublicKeyInfo in DER. */
export function readVouchingKey(pem: string): VouchingKey & { pem: string } {
  try {
    if (/PRIVATE KEY/.test(pem)) throw new Error("it is a private key");
    const key = createPublicKey(pem);
    if (!["ed25519", "ec", "rsa"].includes(key.asymmetricKeyType ?? ""))
      throw new Error(`it is a key of the kind ${key.asymmetricKeyType}`);
    const keyid = createHash("sha256")
      .update(key.export({ type: "spki", format: "der" }))
      .digest("hex");
    return { keyid, key, pem: key.export({ type: "spki", format: "pem" }).toString() };
  } catch (cause) {
    throw releaseProblems.provenance_key_unreadable(
      "The key cannot vouch: it must be the public half, in PEM, of an ed25519, ECDSA or RSA key.",
      {
        cause,
        field: "publicKeyPem",
        fix: "cosign public-key, or openssl pkey -in key.pem -pubout",
      },
    );
  }
}

/**
 * The keys whose signature under an envelope holds. The names that signatures give to their keys are hints by anybody and are not looked at
 * (DSSE v1, "keyid is unauthenticated").
 */
export function vouchedBy(sealed: Envelope, keys: readonly VouchingKey[]): string[] {
  const bytes = preAuthenticated(sealed);
  return keys.filter(({ key }) => sealed.signatures.some(({ sig }) => holds(bytes, key, sig))).map(({ keyid }) => keyid);
}

/** DSSE v1, "PAE": lengths before contents, so that no two envelopes have the same bytes. */
export function preAuthenticated({ payloadType, payload }: Pick<Envelope, "payloadType" | "payload">): Buffer {
  const body = Buffer.from(payload, "base64");
  return Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${body.length} `), body]);
}

function holds(bytes: Buffer, key: KeyObject, sig: string): boolean {
  try {
    const algorithm =
      key.asymmetricKeyType === "ed25519" ? null : key.asymmetricKeyDetails?.namedCurve === "secp384r1" ? "sha384" : "sha256";
    return verify(algorithm, bytes, key, Buffer.from(sig, "base64"));
  } catch {
    return false;
  }
}
