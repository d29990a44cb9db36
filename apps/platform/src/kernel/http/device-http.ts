import type { IncomingMessage } from "node:http";
import type { Server as TlsServer } from "node:https";
import type { TLSSocket } from "node:tls";
import fastify, { type FastifyInstance } from "fastify";
import type { Log } from "../log.ts";
import { drains } from "./drain.ts";
import { createHandshakes, type Handshakes } from "./handshakes.ts";
import { answerProblem, httpProblems, sendProblem } from "./problems.ts";

/** What a TLS endpoint shows, and whom it takes for a hint: PEM, the chain with the leaf first. */
export type TlsIdentity = { key: string; cert: string; ca: string[] };

export type DeviceHttp = FastifyInstance<TlsServer>;

export type DeviceHttpOptions = {
  tls: TlsIdentity;
  log: Log;
  /** Shared by all listeners of the process. */
  handshakes?: Handshakes;
  /** How long a connection may take to send the head of a request, milliseconds. */
  headMs?: number;
};

/**
 * The devices' HTTPS endpoint, with no route yet. It asks for a client certificate and judges none: each route does, because a device
 * that enrolls has no certificate of ours yet.
 */
export function createDeviceHttp({ tls, log, handshakes = createHandshakes(), headMs = 5_000 }: DeviceHttpOptions): DeviceHttp {
  const app = fastify({
    logger: false,
    https: {
      ...tls,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: "TLSv1.2",
      handshakeTimeout: handshakes.limits.handshakeMs,
      pauseOnConnect: true,
      headersTimeout: headMs,
      connectionsCheckingInterval: Math.min(1_000, headMs),
    },
    bodyLimit: 256 * 1024,
    requestTimeout: 30_000,
    keepAliveTimeout: 30_000,
    forceCloseConnections: "idle",
    routerOptions: { maxParamLength: 300 },
  });
  drains(app);
  handshakes.guard(app.server);
  // Node tells of a handshake that failed or took too long, but leaves the socket open (measured): it must be closed here.
  app.server.on("tlsClientError", (_error, socket) => socket.destroy());
  app.setErrorHandler(answerProblem(log));
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, httpProblems.route_unknown(`No device endpoint at ${request.method} ${request.url.split("?")[0]}.`)),
  );
  return app;
}

/** The TLS connection of a request to the device endpoint. */
export function tlsSocketOf(request: { raw: IncomingMessage }): TLSSocket {
  // The server above speaks only TLS.
  return request.raw.socket as TLSSocket;
}
