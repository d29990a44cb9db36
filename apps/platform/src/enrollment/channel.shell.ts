import type { TLSSocket } from "node:tls";

/**
 * The channel binding of a server's TLS connection: tls-exporter (RFC 9266) with TLS 1.3, tls-unique (RFC 5929) with TLS 1.2. Undefined
 * where the handshake has left none.
 */
export function channelBindingOf(socket: TLSSocket): Buffer | undefined {
  if (socket.getProtocol() === "TLSv1.3") return socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
  // [RFC 5929 3.1] The first Finished message: the client's in a full handshake, the server's in an abbreviated one.
  return socket.isSessionReused() ? socket.getFinished() : socket.getPeerFinished();
}
