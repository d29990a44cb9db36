import { createHash, KeyObject } from "node:crypto";
import { type Der, expectTag, readDer, readOctetsOfBits, readOid, readSmallInteger } from "./der-read.ts";
import { bitString, context, integer, oid, sequence, setOf, tags, utf8String } from "./der-write.ts";
import { pkiProblems } from "./errors.ts";
import { type AlternativeName, readAlternativeNames, readExtensions, writeAlternativeNames, writeExtension } from "./extensions.ts";
import {
  type PublicKey,
  readPublicKey,
  readSignatureAlgorithm,
  type SignatureAlgorithm,
  type Signer,
  signerOf,
  verifySignature,
  writeAlgorithm,
} from "./keys.ts";
import { makeName, type Name, type NameAttribute, readName, readText } from "./name.ts";
import { oids } from "./oids.ts";

/** A PKCS#10 request whose sender has proved to hold the key. What it asks for is a wish, not a fact. */
export type CertificateRequest = {
  readonly subject: Name;
  readonly publicKey: PublicKey;
  readonly attributes: readonly { readonly oid: string; readonly values: readonly Der[] }[];
  readonly alternativeNames: readonly AlternativeName[];
  /** challengePassword or estIdentityLinking, as text (RFC 7894). */
  readonly linking: string | undefined;
  readonly algorithm: SignatureAlgorithm;
  /** SHA-256 of the CertificationRequestInfo: the same request has the same one, whatever its signature's chance. */
  readonly infoHash: string;
};

/**
 * Reads a certificate request (RFC 2986) and verifies its proof of possession. Throws `der_malformed` or `csr_malformed` (not a request),
 * `algorithm_refused` (key, curve or signature algorithm), `csr_proof_failed` (the signature is not by the key inside).
 */
export function readCsr(der: Uint8Array): CertificateRequest {
  const [info, algorithmId, bits, ...more] = expectTag(readDer(der), tags.sequence, "the request").children;
  const content = expectTag(info, tags.sequence, "the request's content");
  const [version, subject, spki, attributeSet, ...rest] = content.children;
  if (more.length > 0 || rest.length > 0) throw malformed("it has too many parts");
  if (readSmallInteger(version, "the version") !== 0) throw malformed("its version is unknown");
  const publicKey = readPublicKey(spki);
  const algorithm = readSignatureAlgorithm(algorithmId);
  if (!algorithm.inRequests) throw pkiProblems.algorithm_refused(`Requests signed with ${algorithm.name} are not accepted.`);
  const signature = readOctetsOfBits(bits, "the signature");
  if (!verifySignature(publicKey, { algorithm, bytes: content.raw, signature })) {
    throw pkiProblems.csr_proof_failed("The request is not signed by the key that it contains.", {
      fix: "Sign the request with the private key that belongs to its public key.",
    });
  }
  const attributes = readAttributes(attributeSet);
  return {
    subject: readName(subject, "the subject"),
    publicKey,
    attributes,
    alternativeNames: requestedNames(attributes),
    linking: linkingOf(attributes),
    algorithm,
    infoHash: createHash("sha256").update(content.raw).digest("hex"),
  };
}

const malformed = (why: string) => pkiProblems.csr_malformed(`This is not a certificate request: ${why}.`);

// [RFC 2986 4.1] attributes are [0] IMPLICIT and not optional, but some clients leave the empty set out.
function readAttributes(element: Der | undefined): { oid: string; values: readonly Der[] }[] {
  if (element === undefined) return [];
  return expectTag(element, 0xa0, "the attributes").children.map((attribute) => {
    const [type, values, ...more] = expectTag(attribute, tags.sequence, "an attribute").children;
    if (more.length > 0) throw malformed("an attribute has too many parts");
    return { oid: readOid(type, "an attribute's type"), values: expectTag(values, tags.set, "an attribute's values").children };
  });
}

function requestedNames(attributes: readonly { oid: string; values: readonly Der[] }[]): AlternativeName[] {
  const wish = attributes.find((attribute) => attribute.oid === oids.extensionRequest)?.values[0];
  return wish === undefined ? [] : readAlternativeNames(readExtensions(wish));
}

function linkingOf(attributes: readonly { oid: string; values: readonly Der[] }[]): string | undefined {
  const value = [oids.estIdentityLinking, oids.challengePassword]
    .map((id) => attributes.find((attribute) => attribute.oid === id)?.values[0])
    .find((found) => found !== undefined);
  return value === undefined ? undefined : readText(value);
}

export type CsrWish = {
  /** A private key of this process, or one that signs elsewhere. */
  key: KeyObject | Signer;
  subject: readonly NameAttribute[];
  alternativeNames?: readonly AlternativeName[];
  challengePassword?: string;
  /** [RFC 7894] As challengePassword, but it can mean nothing else. */
  estIdentityLinking?: string;
};

/** Makes a request for the device's side: DER, signed by `key`. */
export async function createCsr({ key, subject, alternativeNames = [], ...linking }: CsrWish): Promise<Buffer> {
  const signer = key instanceof KeyObject ? signerOf(key) : key;
  const attributes: Buffer[] = [];
  if (alternativeNames.length > 0) {
    const wish = sequence(writeExtension(oids.subjectAltName, writeAlternativeNames(alternativeNames)));
    attributes.push(sequence(oid(oids.extensionRequest), setOf(wish)));
  }
  for (const name of ["challengePassword", "estIdentityLinking"] as const) {
    const text = linking[name];
    if (text !== undefined) attributes.push(sequence(oid(oids[name]), setOf(utf8String(text))));
  }
  const info = sequence(integer(0), makeName(subject).der, signer.publicKey.der, context(0, ...attributes.sort(Buffer.compare)));
  return sequence(info, writeAlgorithm(signer.algorithm), bitString(await signer.sign(info)));
}
