import { generateKeyPairSync } from "node:crypto";
import { days } from "@tenfold/base";
import type { Certificate } from "./certificate.ts";
import { issueCertificate, randomSerial } from "./issue.ts";
import { type Signer, signerOf } from "./keys.ts";
import { makeName, type NameAttribute } from "./name.ts";
import { oids } from "./oids.ts";

/** A certificate authority: its certificate and its key. */
export type Authority = { readonly certificate: Certificate; readonly signer: Signer };

export const issuerOf = ({ certificate, signer }: Authority) => ({ name: certificate.subject, signer });

const year = days(365);

export type RootWish = {
  readonly signer: Signer;
  readonly name: readonly NameAttribute[];
  readonly now: number;
  readonly lifetime?: number;
};

/** A self-signed root, 20 years unless told otherwise. */
export async function createRoot({ signer, name, now, lifetime = 20 * year }: RootWish): Promise<Authority> {
  const subject = makeName(name);
  const certificate = await issueCertificate({
    issuer: { name: subject, signer },
    subject,
    publicKey: signer.publicKey,
    serial: randomSerial(),
    notBefore: now,
    notAfter: now + lifetime,
    usage: "ca",
  });
  return { certificate, signer };
}

/**
 * [RFC 4210 4.4] One root's key certified by another, until the earlier of both ends. "New with old" lets those who believe the old root
 * believe the new one; "old with new" the other way.
 */
export function crossCertify(by: Authority, { certificate }: Authority, now: number): Promise<Certificate> {
  return issueCertificate({
    issuer: issuerOf(by),
    subject: certificate.subject,
    publicKey: certificate.publicKey,
    serial: randomSerial(),
    notBefore: now,
    notAfter: Math.min(by.certificate.notAfter, certificate.notAfter),
    usage: "ca",
  });
}

/** A CA below another, for end devices only (path length 0), 5 years unless told otherwise. */
export async function createIssuing(parent: Authority, { signer, name, now, lifetime = 5 * year }: RootWish): Promise<Authority> {
  const certificate = await issueCertificate({
    issuer: issuerOf(parent),
    subject: makeName(name),
    publicKey: signer.publicKey,
    serial: randomSerial(),
    notBefore: now,
    notAfter: now + lifetime,
    usage: "ca",
    pathLength: 0,
  });
  return { certificate, signer };
}

/** A fresh P-256 key in memory. */
export const newSigner = (): Signer => signerOf(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);

/** Root (P-256, 20 years) and issuing CA (path length 0, 5 years) with keys in memory, for tests and simulations. */
export async function createAuthority(now: number, organization = "Tenfold"): Promise<{ root: Authority; issuing: Authority }> {
  const named = (name: string) => [
    { type: oids.organizationName, value: organization },
    { type: oids.commonName, value: `${organization} ${name}` },
  ];
  const root = await createRoot({ signer: newSigner(), name: named("Root CA"), now });
  const issuing = await createIssuing(root, { signer: newSigner(), name: named("Issuing CA"), now });
  return { root, issuing };
}
