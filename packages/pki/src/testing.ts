import type { Authority } from "./authority.ts";
import { createAuthority, issuerOf, newSigner } from "./authority.ts";
import { type CertificateWish, issueCertificate, randomSerial } from "./issue.ts";
import { makeName } from "./name.ts";
import { oids } from "./oids.ts";

export const now = Date.UTC(2026, 9, 1);
export const year = 365 * 86_400_000;

/** Any certificate below `authority`, valid for a year around `now` unless told otherwise. */
export function certificateBelow(authority: Authority, name: string, wish: Partial<CertificateWish> = {}) {
  return issueCertificate({
    issuer: issuerOf(authority),
    subject: makeName([{ type: oids.commonName, value: name }]),
    publicKey: newSigner().publicKey,
    serial: randomSerial(),
    notBefore: now - 1_000,
    notAfter: now + year,
    usage: "device",
    ...wish,
  });
}

/** A CA below another, with its key. */
export async function authorityBelow(authority: Authority, name: string, wish: Partial<CertificateWish> = {}): Promise<Authority> {
  const signer = newSigner();
  return { signer, certificate: await certificateBelow(authority, name, { publicKey: signer.publicKey, usage: "ca", ...wish }) };
}

export const authorityForTest = () => createAuthority(now - 1_000);
