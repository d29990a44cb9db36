import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { createWebSocketStream, type WebSocket, WebSocketServer } from "ws";
import type { DeviceHttp } from "../kernel/index.ts";
import type { Limits } from "./limits.ts";

const path = "/mqtt";
const subprotocol = "mqtt";

/**
 * [M25] MQTT over WebSocket on the devices' HTTPS endpoint [MQTT5 6]: each socket becomes a stream of bytes like any other connection's, and is
 * judged like it. Frames hold no structure: a packet may stand in several, and several packets in one.
 */
export function acceptWebSockets(app: DeviceHttp, limits: Limits, accept: (stream: Duplex, socket: TLSSocket) => void): void {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: limits.maxPacketBytes,
    perMessageDeflate: false,
    handleProtocols: () => subprotocol,
  });
  app.server.on("upgrade", (request, socket, head) => {
    // Until the handshake is done nobody else listens, and an error without a listener would end the process.
    socket.on("error", () => {});
    if (request.url !== path) return refuse(socket, 404);
    // [MQTT5-6.0.0-3]
    const offered = request.headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim());
    if (!offered?.includes(subprotocol)) return refuse(socket, 400);
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      // The devices' endpoint speaks only TLS.
      accept(streamOf(webSocket), socket as TLSSocket);
    });
  });
}

function streamOf(webSocket: WebSocket): Duplex {
  // [MQTT5-6.0.0-1] Before the stream's own listener, so that nothing of a text is taken for packets.
  webSocket.on("message", (_bytes, isBinary) => {
    if (!isBinary) webSocket.terminate();
  });
  const stream = createWebSocketStream(webSocket);
  // What broke shows in `close`; until the wire listens, an error must not end the process.
  stream.on("error", () => {});
  return stream;
}

function refuse(socket: Duplex, status: number): void {
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
