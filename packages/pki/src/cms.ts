import { createHash } from "node:crypto";
import type { Certificate } from "./certificate.ts";
import { type Der, expectTag, readDer, readOid, readSmallInteger, readTime } from "./der-read.ts";
import { context, contextPrimitive, integer, nullValue, octetString, oid, sequence, setOf, tags, time, tlv } from "./der-write.ts";
import { pkiProblems } from "./errors.ts";
import { keyIdentifier } from "./issue.ts";
import {
  type PublicKey,
  readSignatureAlgorithm,
  type SignatureAlgorithm,
  type Signer,
  verifySignature,
  writeAlgorithm,
} from "./keys.ts";
import { oids } from "./oids.ts";
import { fromBase64 } from "./pem.ts";

/** Whose signature a message bears, out of the keys that were asked about. `signedAt` is the signer's word, in milliseconds. */
export type CmsVerdict =
  | { readonly is: "signed"; readonly by: PublicKey; readonly content: Buffer; readonly signedAt: number | undefined }
  /** `content_differs`: signed was something else. `key_unknown`: none of the keys signed it. */
  | { readonly is: "unproven"; readonly because: "content_differs" | "key_unknown" };

export type CmsQuestion = {
  /** DER, or PEM as `openssl cms` writes it. */
  readonly message: Uint8Array;
  /** What is signed, where the message does not hold it itself (detached). */
  readonly content?: Uint8Array;
  /** Nothing that stands in the message itself is believed. */
  readonly keys: readonly PublicKey[];
};

const limits = { bytes: 33 * 1024 * 1024, depth: 24, elements: 16_384 };
const mostSigners = 8;
type Digest = "sha256" | "sha384" | "sha512";
const digests: Readonly<Record<string, Digest>> = { [oids.sha256]: "sha256", [oids.sha384]: "sha384", [oids.sha512]: "sha512" };

const malformed = (why: string) =>
  pkiProblems.cms_malformed(`This is no signature that we read: ${why}.`, {
    fix: "Sign with `tenfold enroll sign`, or with `openssl cms -sign -binary -outform DER -md sha256`.",
  });

/**
 * Verifies a CMS SignedData (RFC 5652 5.4, 5.6), detached or not, against keys that are known. Signed attributes are demanded, with the
 * digest of the content in them. Throws `cms_malformed` or `der_malformed` for what cannot be read.
 */
export function verifyCms({ message, content: given, keys }: CmsQuestion): CmsVerdict {
  const { content: inside, signers } = readSignedData(message);
  if (inside !== undefined && given !== undefined && !inside.equals(Buffer.from(given)))
    return { is: "unproven", because: "content_differs" };
  const content = inside ?? (given === undefined ? undefined : Buffer.from(given));
  if (content === undefined) throw malformed("it holds no content, and none was given beside it");
  let differs = false;
  for (const signer of signers) {
    const by = keys.find((key) => isSignedBy(signer, key));
    if (by === undefined) continue;
    if (createHash(signer.digest).update(content).digest().equals(signer.contentDigest))
      return { is: "signed", by, content, signedAt: signer.signedAt };
    differs = true;
  }
  return { is: "unproven", because: differs ? "content_differs" : "key_unknown" };
}

type SignerInfo = {
  readonly digest: Digest;
  /** The signature algorithm; undefined where it only says "RSA", and the digest decides. */
  readonly algorithm: SignatureAlgorithm;
  readonly contentDigest: Buffer;
  readonly signedAt: number | undefined;
  /** The signed attributes as they are signed: a SET OF [RFC 5652 5.4]. */
  readonly attributes: Buffer;
  readonly signature: Buffer;
};

const isSignedBy = ({ algorithm, attributes: bytes, signature }: SignerInfo, key: PublicKey): boolean =>
  verifySignature(key, { algorithm, bytes, signature });

function readSignedData(message: Uint8Array): { content: Buffer | undefined; signers: SignerInfo[] } {
  const [type, wrapped] = expectTag(readDer(derOf(message), limits), tags.sequence, "the message").children;
  if (readOid(type, "the content type") !== oids.signedData) throw malformed("it is no SignedData");
  const parts = expectTag(expectTag(wrapped, 0xa0, "the signed data").children[0], tags.sequence, "the signed data").children;
  readSmallInteger(parts[0], "the version");
  const encapsulated = expectTag(parts[2], tags.sequence, "the content").children;
  if (readOid(encapsulated[0], "the content's type") !== oids.data) throw malformed("its content is of another type than data");
  const inside =
    encapsulated[1] && expectTag(expectTag(encapsulated[1], 0xa0, "the content").children[0], tags.octetString, "the content");
  const infos = expectTag(parts.at(-1), tags.set, "the signers").children;
  if (infos.length === 0 || infos.length > mostSigners) throw malformed(`it has ${infos.length} signers`);
  return { content: inside && Buffer.from(inside.body), signers: infos.map(readSigner) };
}

function readSigner(info: Der): SignerInfo {
  const [version, , digestAlgorithm, attributes, algorithm, signature] = expectTag(info, tags.sequence, "a signer").children;
  readSmallInteger(version, "the signer's version");
  const digest = digests[readOid(expectTag(digestAlgorithm, tags.sequence, "the digest").children[0], "the digest")];
  if (digest === undefined) throw malformed("its digest is not SHA-256, SHA-384 or SHA-512");
  if (attributes?.tag !== 0xa0) throw malformed("it has no signed attributes (do not sign with -noattr)");
  const known = new Map(attributes.children.map(readAttribute));
  if (readOid(known.get(oids.contentType), "the signed content type") !== oids.data)
    throw malformed("it signs another type than data");
  const signedAt = known.get(oids.signingTime);
  return {
    digest,
    algorithm: signatureAlgorithm(expectTag(algorithm, tags.sequence, "the signature algorithm"), digest),
    contentDigest: expectTag(known.get(oids.messageDigest), tags.octetString, "the digest of the content").body,
    signedAt: signedAt && readTime(signedAt, "the signing time"),
    attributes: tlv(tags.set, attributes.body),
    signature: expectTag(signature, tags.octetString, "the signature").body,
  };
}

function readAttribute(attribute: Der): [string, Der] {
  const [type, values] = expectTag(attribute, tags.sequence, "a signed attribute").children;
  const [value, ...more] = expectTag(values, tags.set, "a signed attribute's values").children;
  if (value === undefined) throw malformed("a signed attribute has no value");
  const id = readOid(type, "a signed attribute");
  // [RFC 5652 11] Content type, digest and time have one value; others are not looked at.
  if (more.length > 0 && [oids.contentType, oids.messageDigest, oids.signingTime].some((one) => one === id))
    throw malformed("a signed attribute has two values");
  return [id, value];
}

/** [RFC 3370 3.2] RSA signers usually name the key's algorithm and leave the hash to the digest. */
function signatureAlgorithm(element: Der, digest: Digest): SignatureAlgorithm {
  const rsa = { sha256: oids.rsaWithSha256, sha384: oids.rsaWithSha384, sha512: oids.rsaWithSha512 }[digest];
  const plainRsa = readOid(element.children[0], "the signature algorithm") === oids.rsaEncryption;
  return readSignatureAlgorithm(plainRsa ? readDer(sequence(oid(rsa), nullValue())) : element);
}

function derOf(message: Uint8Array): Uint8Array {
  const text = Buffer.from(message.buffer, message.byteOffset, Math.min(message.length, limits.bytes)).toString("latin1");
  const block = /-----BEGIN (CMS|PKCS7)-----([^-]*)-----END \1-----/.exec(text)?.[2];
  return block === undefined ? message : fromBase64(block);
}

export type CmsWish = {
  readonly content: Uint8Array;
  readonly signer: Signer;
  /** The signer's certificate; without one the message names the signer by the key's identifier. */
  readonly certificate?: Certificate | undefined;
  readonly signedAt: number;
  /** Whether the message holds the content, or stands beside it. */
  readonly form: "attached" | "detached";
};

/** Signs content (RFC 5652 5); DER, which `openssl cms -verify -binary -inform DER` takes. */
export async function signCms({ content, signer, certificate, signedAt, form }: CmsWish): Promise<Buffer> {
  const digest: Digest = signer.publicKey.kind === "ed25519" ? "sha512" : (signer.algorithm.hash ?? "sha256");
  const digestAlgorithm = sequence(oid(oids[digest]));
  const attribute = (type: string, value: Buffer) => sequence(oid(type), setOf(value));
  const attributes = setOf(
    attribute(oids.contentType, oid(oids.data)),
    attribute(oids.messageDigest, octetString(createHash(digest).update(content).digest())),
    attribute(oids.signingTime, time(signedAt)),
  );
  const signature = await signer.sign(attributes);
  const named = certificate
    ? sequence(certificate.issuer.der, integer(Buffer.from(certificate.serialNumber, "hex")))
    : contextPrimitive(0, keyIdentifier(signer.publicKey));
  const info = sequence(
    integer(certificate ? 1 : 3),
    named,
    digestAlgorithm,
    // [RFC 5652 5.3] Signed as a SET OF, sent as [0] IMPLICIT.
    Buffer.concat([Buffer.from([0xa0]), attributes.subarray(1)]),
    writeAlgorithm(signer.algorithm),
    octetString(signature),
  );
  const encapsulated = form === "attached" ? [context(0, octetString(content))] : [];
  const signedData = sequence(
    integer(certificate ? 1 : 3),
    setOf(digestAlgorithm),
    sequence(oid(oids.data), ...encapsulated),
    ...(certificate ? [context(0, certificate.der)] : []),
    setOf(info),
  );
  return sequence(oid(oids.signedData), context(0, signedData));
}
