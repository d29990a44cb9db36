import { createHash } from "node:crypto";
import type { Certificate } from "./certificate.ts";
import { type Der, expectTag, readDer, readInteger, readOid } from "./der-read.ts";
import { bitString, context, contextPrimitive, generalizedTime, octetString, oid, sequence, tags, tlv } from "./der-write.ts";
import { pkiProblems } from "./errors.ts";
import { readExtensions, writeExtension } from "./extensions.ts";
import { type Issuer, keyBits, keyIdentifier } from "./issue.ts";
import { writeAlgorithm } from "./keys.ts";
import { oids } from "./oids.ts";

/** [RFC 6960 4.1.1] Which certificate is meant: its issuer by hashes, and its serial number in lower-case hex. */
export type OcspCertId = {
  readonly hash: "sha1" | "sha256" | undefined;
  readonly issuerNameHash: Buffer;
  readonly issuerKeyHash: Buffer;
  readonly serialNumber: string;
  /** The bytes as they were asked; the answer repeats them. */
  readonly raw: Buffer;
};

export type OcspRequest = { readonly ids: readonly OcspCertId[]; readonly nonce: Buffer | undefined };

const mostIds = 32;
/** [RFC 9654 2.1] A nonce has 1 to 32 bytes; OpenSSL's older ones have 16, wrapped. */
const longestNonce = 64;
const malformed = (why: string) => pkiProblems.ocsp_malformed(`This is not an OCSP request: ${why}.`);

/** Reads a request (RFC 6960 4.1). A signature on it is not asked for and not judged. Throws `der_malformed` or `ocsp_malformed`. */
export function readOcspRequest(der: Uint8Array): OcspRequest {
  const [tbs] = expectTag(readDer(der, { bytes: 16 * 1024, depth: 16, elements: 2_048 }), tags.sequence, "the request").children;
  const fields = expectTag(tbs, tags.sequence, "the request's content").children;
  const list = fields.find(({ tag }) => tag === tags.sequence);
  const ids = expectTag(list, tags.sequence, "the list of requests").children.map((one) => readCertId(one.children[0]));
  if (ids.length === 0 || ids.length > mostIds)
    throw malformed(`it asks about ${ids.length} certificates; 1 to ${mostIds} are answered`);
  const extensions = fields.find(({ tag }) => tag === 0xa2);
  const nonce = extensions && readExtensions(extensions.children[0]).find((one) => one.oid === oids.ocspNonce)?.value;
  if (nonce !== undefined && nonce.length > longestNonce) throw malformed("its nonce is too long");
  return { ids, nonce };
}

function readCertId(element: Der | undefined): OcspCertId {
  const id = expectTag(element, tags.sequence, "a CertID");
  const [algorithm, name, key, serial] = id.children;
  const hash = readOid(expectTag(algorithm, tags.sequence, "the hash algorithm").children[0], "the hash algorithm");
  return {
    hash: hash === oids.sha1 ? "sha1" : hash === oids.sha256 ? "sha256" : undefined,
    issuerNameHash: expectTag(name, tags.octetString, "the hash of the issuer's name").body,
    issuerKeyHash: expectTag(key, tags.octetString, "the hash of the issuer's key").body,
    serialNumber: readInteger(serial, "the serial number")
      .toString("hex")
      .replace(/^00(?=..)/, ""),
    raw: id.raw,
  };
}

/** Whether a CertID means a certificate of this issuer. */
export function isIssuedBy({ hash, issuerNameHash, issuerKeyHash }: OcspCertId, issuer: Certificate): boolean {
  if (hash === undefined) return false;
  const digest = (bytes: Buffer) => createHash(hash).update(bytes).digest();
  return digest(issuer.subject.der).equals(issuerNameHash) && digest(keyBits(issuer.publicKey)).equals(issuerKeyHash);
}

export type OcspStatus = { readonly is: "good" } | { readonly is: "unknown" } | { readonly is: "revoked"; readonly at: number };

export type OcspAnswerWish = {
  readonly issuer: Issuer;
  readonly producedAt: number;
  readonly nextUpdate: number;
  readonly answers: readonly { readonly id: OcspCertId; readonly status: OcspStatus }[];
  readonly nonce: Buffer | undefined;
};

/** A signed answer (RFC 6960 4.2.1), by the issuing CA itself, named by its key. */
export async function issueOcspResponse({ issuer, producedAt, nextUpdate, answers, nonce }: OcspAnswerWish): Promise<Buffer> {
  const single = ({ id, status }: OcspAnswerWish["answers"][number]) =>
    sequence(id.raw, writeStatus(status), generalizedTime(producedAt), context(0, generalizedTime(nextUpdate)));
  const content = sequence(
    context(2, octetString(keyIdentifier(issuer.signer.publicKey))),
    generalizedTime(producedAt),
    sequence(...answers.map(single)),
    ...(nonce === undefined ? [] : [context(1, sequence(writeExtension(oids.ocspNonce, nonce)))]),
  );
  const basic = sequence(content, writeAlgorithm(issuer.signer.algorithm), bitString(await issuer.signer.sign(content)));
  return sequence(enumerated(0), context(0, sequence(oid(oids.ocspBasic), octetString(basic))));
}

function writeStatus(status: OcspStatus): Buffer {
  if (status.is === "revoked") return context(1, generalizedTime(status.at));
  return contextPrimitive(status.is === "good" ? 0 : 2, Buffer.alloc(0));
}

const errors = { malformed_request: 1, internal_error: 2, try_later: 3, unauthorized: 6 } as const;

/** [RFC 6960 4.2.1] An unsigned answer that says why there is none. */
export const ocspError = (because: keyof typeof errors): Buffer => sequence(enumerated(errors[because]));

const enumerated = (value: number): Buffer => tlv(tags.enumerated, Buffer.from([value]));
