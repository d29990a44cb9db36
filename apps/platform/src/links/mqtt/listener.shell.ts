import type { X509Certificate } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import type { Handshakes, TlsIdentity } from "../../kernel/index.ts";
import type { Limits } from "../limits.ts";
import type { Admission } from "../link.ts";

export type ListenOptions = { tls: TlsIdentity; port: number; host: string };

export type Listener = {
  readonly port: number;
  /** Shows another certificate to connections from now on; those that stand go on. */
  present(tls: TlsIdentity): void;
  /** Takes no new connection. Resolves when the last one is closed. */
  close(): Promise<void>;
};

type Parts = ListenOptions & { limits: Limits; handshakes: Handshakes; accept: (socket: TLSSocket) => void };

/** Listens for MQTT over TLS. It asks for a certificate and judges none: `accept` must, for resumed TLS sessions as for new ones. */
export async function listenTls({ tls, port, host, limits, handshakes, accept }: Parts): Promise<Listener> {
  const server = createServer({
    ...tls,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: "TLSv1.2",
    handshakeTimeout: handshakes.limits.handshakeMs,
    pauseOnConnect: true,
    // Where the network swallows everything, the kernel notices it sooner than a keep-alive of 20 minutes does.
    keepAlive: true,
    keepAliveInitialDelay: limits.probeMs,
  });
  handshakes.guard(server);
  // Above the MQTT limit, so that a device beyond it can still be told; below it sockets are closed without a word.
  server.maxConnections = Math.ceil(limits.maxConnections * 1.1) + 64;
  // Node tells of a handshake that failed or took too long, but leaves the socket open (measured): it must be closed here.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  server.on("secureConnection", (socket) => {
    socket.setNoDelay(true);
    accept(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host, backlog: 4_096 }, resolve);
  });
  // A listening TCP server has such an address.
  const address = server.address() as AddressInfo;
  const present = (next: TlsIdentity) => server.setSecureContext({ ...next, minVersion: "TLSv1.2" });
  return { port: address.port, present, close: () => new Promise((resolve) => server.close(() => resolve())) };
}

export type Admit = (certificate: X509Certificate, from: { remoteAddress?: string }) => Promise<Admission>;

/** `remembered` may answer from memory; `fresh` asks. */
export type Judges = { remembered: Admit; fresh: Admit };

/** Judges the certificate that the socket showed, asking anew from the second time on; without a certificate there is nothing to ask. */
export function judgeSocket(socket: TLSSocket, { remembered, fresh }: Judges): () => Promise<Admission> {
  const { remoteAddress } = socket;
  let admit = remembered;
  return async () => {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined)
      return {
        is: "refuse",
        because: "certificate_missing",
        detail: "A device shows its certificate when it connects; this one showed none.",
      };
    const ask = admit;
    admit = fresh;
    return await ask(certificate, remoteAddress === undefined ? {} : { remoteAddress });
  };
}
