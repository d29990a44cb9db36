import { fromPem, isCertifiedBy, readCertificate, sameName, toPem } from "@tenfold/pki";
import { fetchCaCerts } from "./enroll.ts";
import type { DeviceServer } from "./https.ts";

/** What a device believes: the roots as PEM, to be kept, and their fingerprints, for its heartbeats. */
export type TrustBundle = { readonly ca: string; readonly roots: readonly string[] };

/**
 * [RFC 7030 4.1.3] Asks the platform which roots to believe from now on. A root that was not believed before is taken only when one that is
 * believed has certified its key (new with old). Throws as `fetchCaCerts`. A device asks once a day and at each renewal.
 */
export async function refreshTrust(
  server: DeviceServer,
  { now, signal }: { now: number; signal?: AbortSignal },
): Promise<TrustBundle> {
  return takeTrust(server.ca, await fetchCaCerts(server, signal), now);
}

/** The decision behind `refreshTrust`. Pure. When the answer holds no root that may be believed, the device keeps what it has. */
export function takeTrust(known: string, offered: string, now: number): TrustBundle {
  const read = (pem: string) => fromPem("CERTIFICATE", pem).map(readCertificate);
  const [believed, certificates] = [read(known), read(offered)];
  const roots = certificates.filter(({ subject, issuer }) => sameName(subject, issuer));
  const taken = roots.filter((root) => {
    if (believed.some(({ der }) => der.equals(root.der))) return true;
    const cross = certificates.filter((one) => one !== root && one.publicKey.der.equals(root.publicKey.der));
    return cross.some((one) => believed.some((anchor) => isCertifiedBy(one, anchor, now)));
  });
  const kept = taken.length > 0 ? taken : believed;
  return { ca: kept.map(({ der }) => toPem("CERTIFICATE", der)).join(""), roots: kept.map(({ fingerprint }) => fingerprint) };
}
