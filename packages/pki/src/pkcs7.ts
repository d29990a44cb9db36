import { expectTag, readDer, readOid, readSmallInteger } from "./der-read.ts";
import { context, integer, oid, sequence, setOf, tags } from "./der-write.ts";
import { pkiProblems } from "./errors.ts";
import { oids } from "./oids.ts";

/** A certs-only CMS message (RFC 5652 5.1, RFC 7030 4.1.3) of DER certificates, in the order given. */
export function certsOnly(certificates: readonly Uint8Array[]): Buffer {
  const signedData = sequence(integer(1), setOf(), sequence(oid(oids.data)), context(0, ...certificates), setOf());
  return sequence(oid(oids.signedData), context(0, signedData));
}

/** The certificates in a certs-only message, as DER. Throws `der_malformed` or `pkcs7_malformed`. */
export function readCertsOnly(der: Uint8Array): Buffer[] {
  const [type, content] = expectTag(
    readDer(der, { bytes: 256 * 1024, depth: 24, elements: 16_384 }),
    tags.sequence,
    "the message",
  ).children;
  if (readOid(type, "the content type") !== oids.signedData)
    throw pkiProblems.pkcs7_malformed("This PKCS#7 message is no SignedData.");
  const [version, , , certificates] = expectTag(content?.children[0], tags.sequence, "the signed data").children;
  readSmallInteger(version, "the version");
  return expectTag(certificates, 0xa0, "the certificates").children.map((certificate) => Buffer.from(certificate.raw));
}
