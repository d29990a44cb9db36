import { createHash } from "node:crypto";
import type { DetailedPeerCertificate, TLSSocket } from "node:tls";

/** A chain longer than this is nobody's manufacturing. */
const mostCertificates = 8;
const mostRemembered = 2_000;

export type PeerChains = { of(socket: TLSSocket): Buffer[] };

/**
 * Reads the certificates that a TLS peer sent, leaf first. A resumed TLS session brings the leaf but not its intermediates, so they are
 * remembered for the last peers that sent some.
 */
export function rememberPeerChains(): PeerChains {
  const remembered = new Map<string, Buffer[]>();
  return {
    of(socket) {
      const leaf = socket.getPeerX509Certificate()?.raw;
      if (leaf === undefined) return [];
      const above = intermediatesOf(socket, leaf);
      const key = createHash("sha256").update(leaf).digest("hex");
      if (above.length === 0) return [leaf, ...(remembered.get(key) ?? [])];
      remembered.delete(key);
      remembered.set(key, above);
      const oldest = remembered.size > mostRemembered ? remembered.keys().next().value : undefined;
      if (oldest !== undefined) remembered.delete(oldest);
      return [leaf, ...above];
    },
  };
}

function intermediatesOf(socket: TLSSocket, leaf: Buffer): Buffer[] {
  const chain: Buffer[] = [];
  // At the end of the chain Node leaves the issuer out, or lets a root point to itself.
  let certificate: Partial<DetailedPeerCertificate> | undefined = socket.getPeerCertificate(true);
  while (certificate?.raw !== undefined && chain.length < mostCertificates) {
    if (chain.some((seen) => seen.equals(certificate?.raw ?? leaf))) break;
    chain.push(certificate.raw);
    certificate = certificate.issuerCertificate;
  }
  return chain.slice(1);
}
