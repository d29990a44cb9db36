import { type Der, expectTag, readDer, readInteger, readOctetsOfBits, readSmallInteger, readTime } from "./der-read.ts";
import { tags } from "./der-write.ts";
import { pkiProblems } from "./errors.ts";
import {
  type AlternativeName,
  type BasicConstraints,
  type Extension,
  readAlternativeNames,
  readAuthorityKeyId,
  readBasicConstraints,
  readExtendedKeyUsage,
  readExtensions,
  readKeyUsage,
  readSubjectKeyId,
} from "./extensions.ts";
import { certificateFingerprint } from "./fingerprint.ts";
import { type PublicKey, readPublicKey, readSignatureAlgorithm, type SignatureAlgorithm } from "./keys.ts";
import { type Name, readName } from "./name.ts";

/** An X.509 certificate, read and not yet believed. Times are milliseconds; `serialNumber` is lower-case hex. */
export type Certificate = {
  readonly der: Buffer;
  readonly fingerprint: string;
  readonly version: number;
  readonly serialNumber: string;
  readonly issuer: Name;
  readonly subject: Name;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: PublicKey;
  readonly alternativeNames: readonly AlternativeName[];
  readonly basicConstraints: BasicConstraints | undefined;
  readonly keyUsage: readonly number[] | undefined;
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly subjectKeyId: Buffer | undefined;
  readonly authorityKeyId: Buffer | undefined;
  readonly extensions: readonly Extension[];
  readonly signed: { readonly bytes: Buffer; readonly algorithm: SignatureAlgorithm; readonly signature: Buffer };
};

/**
 * Reads a certificate (RFC 5280 4.1). Throws `der_malformed` or `certificate_malformed` when it is none, and `algorithm_refused` when its
 * key or signature algorithm is below our floor. Reading proves nothing: `validateChain` does.
 */
export function readCertificate(der: Uint8Array): Certificate {
  const [tbs, outer, bits, ...more] = expectTag(readDer(der), tags.sequence, "the certificate").children;
  if (more.length > 0) throw malformed("it has more than three parts");
  const body = expectTag(tbs, tags.sequence, "the certificate's content");
  const fields = [...body.children];
  const version = fields[0]?.tag === 0xa0 ? readSmallInteger(fields.shift()?.children[0], "the version") + 1 : 1;
  const [serial, inner, issuer, validity, subject, spki, ...optional] = fields;
  // [RFC 5280 4.1.1.2] The algorithm that is signed over must be the one that is used.
  if (inner === undefined || outer === undefined || !inner.raw.equals(outer.raw))
    throw malformed("it names two signature algorithms");
  const extensions = readOptional(optional, version);
  return {
    der: Buffer.from(der),
    fingerprint: certificateFingerprint(der),
    version,
    serialNumber: readSerial(serial),
    issuer: readName(issuer, "the issuer"),
    subject: readName(subject, "the subject"),
    ...readValidity(validity),
    publicKey: readPublicKey(spki),
    ...interpret(extensions),
    extensions,
    signed: { bytes: body.raw, algorithm: readSignatureAlgorithm(outer), signature: readOctetsOfBits(bits, "the signature") },
  };
}

const malformed = (why: string) => pkiProblems.certificate_malformed(`This is not a certificate: ${why}.`);

/** [RFC 5280 4.1.2.2] At most 20 octets. Old authorities used 0 and negative ones; both are refused. */
function readSerial(element: Der | undefined): string {
  const bytes = readInteger(element, "the serial number");
  if ((bytes[0] ?? 0) & 0x80) throw malformed("its serial number is negative");
  if (bytes.length > 21) throw malformed("its serial number is longer than 20 octets");
  return bytes.toString("hex").replace(/^00(?=..)/, "");
}

function readValidity(element: Der | undefined): { notBefore: number; notAfter: number } {
  const [notBefore, notAfter] = expectTag(element, tags.sequence, "the validity").children;
  return { notBefore: readTime(notBefore, "notBefore"), notAfter: readTime(notAfter, "notAfter") };
}

/** Unique identifiers [1], [2] are passed over; extensions [3] belong to version 3 only. */
function readOptional(optional: readonly Der[], version: number): Extension[] {
  if (version < 1 || version > 3) throw malformed(`there is no version ${version}`);
  const last = optional.at(-1);
  const unknown = optional.find((part) => ![0x81, 0x82, 0xa1, 0xa2, 0xa3].includes(part.tag));
  if (unknown !== undefined || optional.length > 3) throw malformed("it has an unknown field");
  if (last?.tag !== 0xa3) return [];
  if (version !== 3) throw malformed("it has extensions but is not of version 3");
  return readExtensions(last.children[0]);
}

function interpret(extensions: readonly Extension[]) {
  return {
    alternativeNames: readAlternativeNames(extensions),
    basicConstraints: readBasicConstraints(extensions),
    keyUsage: readKeyUsage(extensions),
    extendedKeyUsage: readExtendedKeyUsage(extensions),
    subjectKeyId: readSubjectKeyId(extensions),
    authorityKeyId: readAuthorityKeyId(extensions),
  };
}
