import { createHash, randomBytes } from "node:crypto";
import { type Certificate, readCertificate } from "./certificate.ts";
import { bitString, context, contextPrimitive, integer, octetString, sequence, time } from "./der-write.ts";
import {
  type AlternativeName,
  keyUsageBits,
  writeAlternativeNames,
  writeBasicConstraints,
  writeDistributionPoint,
  writeExtendedKeyUsage,
  writeExtension,
  writeKeyUsage,
  writeOcspAccess,
} from "./extensions.ts";
import { type PublicKey, type Signer, writeAlgorithm } from "./keys.ts";
import type { Name } from "./name.ts";
import { oids } from "./oids.ts";

/** Who signs: the name that goes into `issuer`, and the key behind it. */
export type Issuer = { readonly name: Name; readonly signer: Signer };

export type CertificateWish = {
  readonly issuer: Issuer;
  readonly subject: Name;
  readonly publicKey: PublicKey;
  /** Up to 20 octets, positive; `randomSerial()` makes one. */
  readonly serial: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly usage: "device" | "server" | "ca" | "manufacturer_device";
  readonly alternativeNames?: readonly AlternativeName[];
  /** For a CA: how many CAs may follow below it. */
  readonly pathLength?: number;
  /** Where the issuer's revocation list can be fetched. */
  readonly crlUri?: string;
  /** Where to ask about revocation by OCSP. */
  readonly ocspUri?: string;
};

/** [RFC 5280 4.2.1.2 (1)] SHA-1 of the key's bits: an identifier, not a protection. */
export function keyIdentifier(key: PublicKey): Buffer {
  return createHash("sha1").update(keyBits(key)).digest();
}

/** The bits of a key without algorithm and framing: the last element of its SPKI, after the count of unused bits. */
export function keyBits({ der: spki }: PublicKey): Buffer {
  const outer = spki.subarray(headSize(spki));
  const algorithmSize = headSize(outer) + lengthOf(outer);
  const bits = outer.subarray(algorithmSize);
  return bits.subarray(headSize(bits) + 1);
}

const headSize = (der: Buffer): number => ((der[1] ?? 0) & 0x80 ? 2 + ((der[1] ?? 0) & 0x7f) : 2);
const lengthOf = (der: Buffer): number => ((der[1] ?? 0) & 0x80 ? der.readUIntBE(2, (der[1] ?? 0) & 0x7f) : (der[1] ?? 0));

/** 16 octets of chance, positive and never zero. */
export function randomSerial(): Buffer {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
}

/** Issues a version 3 certificate and reads it back, so that nobody can hold one from us that we could not read. */
export async function issueCertificate(wish: CertificateWish): Promise<Certificate> {
  const { issuer, subject, publicKey } = wish;
  const algorithm = writeAlgorithm(issuer.signer.algorithm);
  const tbs = sequence(
    context(0, integer(2)),
    integer(wish.serial),
    algorithm,
    issuer.name.der,
    sequence(time(wish.notBefore), time(wish.notAfter)),
    subject.der,
    publicKey.der,
    context(3, sequence(...extensionsFor(wish))),
  );
  return readCertificate(sequence(tbs, algorithm, bitString(await issuer.signer.sign(tbs))));
}

function extensionsFor(wish: CertificateWish): Buffer[] {
  const critical = { critical: true };
  const names = wish.alternativeNames ?? [];
  // [RFC 5280 4.2.1.6] With an empty subject the alternative names are the identity, and critical.
  const namesCritical = { critical: wish.subject.parts.length === 0 };
  return [
    writeExtension(oids.basicConstraints, writeBasicConstraints(constraintsFor(wish)), critical),
    writeExtension(oids.keyUsage, writeKeyUsage(keyUsageFor(wish)), critical),
    ...purposesFor(wish),
    ...(names.length === 0 ? [] : [writeExtension(oids.subjectAltName, writeAlternativeNames(names), namesCritical)]),
    writeExtension(oids.subjectKeyIdentifier, octetString(keyIdentifier(wish.publicKey))),
    writeExtension(oids.authorityKeyIdentifier, sequence(contextPrimitive(0, keyIdentifier(wish.issuer.signer.publicKey)))),
    ...(wish.crlUri === undefined ? [] : [writeExtension(oids.crlDistributionPoints, writeDistributionPoint(wish.crlUri))]),
    ...(wish.ocspUri === undefined ? [] : [writeExtension(oids.authorityInfoAccess, writeOcspAccess(wish.ocspUri))]),
  ];
}

function constraintsFor({ usage, pathLength }: CertificateWish) {
  if (usage !== "ca") return { ca: false };
  return pathLength === undefined ? { ca: true } : { ca: true, pathLength };
}

function keyUsageFor({ usage, publicKey }: CertificateWish): number[] {
  if (usage === "ca") return [keyUsageBits.keyCertSign, keyUsageBits.crlSign];
  return usage === "server" && publicKey.kind === "rsa"
    ? [keyUsageBits.digitalSignature, keyUsageBits.keyEncipherment]
    : [keyUsageBits.digitalSignature];
}

function purposesFor({ usage }: CertificateWish): Buffer[] {
  if (usage === "device") return [writeExtension(oids.extendedKeyUsage, writeExtendedKeyUsage([oids.clientAuth]))];
  if (usage === "server") return [writeExtension(oids.extendedKeyUsage, writeExtendedKeyUsage([oids.serverAuth]))];
  // [IEEE 802.1AR 8.10] An IDevID states no purpose, so that it fits all of them.
  return [];
}
