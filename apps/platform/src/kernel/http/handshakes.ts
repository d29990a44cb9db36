import type { Socket } from "node:net";
import type { Server, TLSSocket } from "node:tls";
import type { Metrics } from "../metrics.ts";
import { type HandshakePace, HandshakeQueue } from "./handshake-queue.ts";

export type HandshakeLimits = HandshakePace & {
  /** From its begin to its end, milliseconds. */
  handshakeMs: number;
  /** What a peer may send until its handshake is done, bytes. An honest chain of two certificates takes 2 KiB. */
  maxBytes: number;
};

/** Three hundred a second take half of a core; the rest of it serves who is connected already. */
export const usualHandshakes: HandshakeLimits = {
  perSecond: 300,
  burst: 300,
  maxWaiting: 4_096,
  handshakeMs: 5_000,
  maxBytes: 16 * 1024,
};

export type Handshakes = {
  readonly limits: HandshakeLimits;
  /** Lets this server's connections begin their TLS handshakes in turn. The server must have been made with `pauseOnConnect: true`. */
  guard(server: Server): void;
  /** Connections that wait for their handshake. */
  waiting(): number;
};

const stepMs = 20;

type Begin = () => void;
type Waiting = { socket: Socket; begin: Begin };

/**
 * Admission to TLS, for all listeners of the process together. A connection is paused from its first moment, so that nothing of it is read
 * before its turn; when too many wait, one is closed. From its turn on it has a time and a number of bytes until it must have come through.
 */
export function createHandshakes({ limits: given = {}, metrics }: Parts = {}): Handshakes {
  const limits = { ...usualHandshakes, ...given };
  const now = () => performance.now();
  const queue = new HandshakeQueue<Waiting>(limits, now());
  const begun = new Map<Socket, number>();
  const guarded: { server: Server; open: Set<Socket> }[] = [];
  const count = counters(metrics);
  let timer: NodeJS.Timeout | undefined;

  const beginDue = () => {
    for (const { socket, begin } of queue.due(now())) {
      if (socket.destroyed) continue;
      begun.set(socket, now());
      socket.once("close", () => begun.delete(socket));
      count("begun");
      begin();
    }
  };
  const endOverdue = () => {
    for (const [socket, since] of begun) {
      if (socket.bytesRead > limits.maxBytes) end(socket, "too_large");
      else if (now() - since > limits.handshakeMs) end(socket, "too_slow");
    }
  };
  const endClosed = () => {
    for (const { server, open } of guarded) {
      if (!server.listening) for (const socket of open) socket.destroy();
    }
  };
  const step = () => {
    beginDue();
    endClosed();
    endOverdue();
    count.waiting(queue.waiting);
    if (queue.waiting + begun.size > 0) {
      timer ??= setInterval(step, stepMs).unref();
      return;
    }
    clearInterval(timer);
    timer = undefined;
  };
  const end = (socket: Socket, because: string) => {
    count(because);
    begun.delete(socket);
    // Not within the timer's own turn of the event loop: the close would show only at the next event, whenever that comes (measured).
    setImmediate(() => socket.destroy());
  };

  return {
    limits,
    waiting: () => queue.waiting,
    guard(server) {
      const handshaking = new Map<string, Socket>();
      const open = new Set<Socket>();
      guarded.push({ server, open });
      // What a TLS server does with a connection is its own first listener.
      const listeners = server.listeners("connection") as ((socket: Socket) => void)[];
      server.removeAllListeners("connection");
      server.on("connection", (socket: Socket) => {
        const peer = peerOf(socket);
        const address = socket.remoteAddress ?? "";
        open.add(socket);
        // An error without a listener would end the process.
        socket.on("error", () => {});
        socket.once("close", () => {
          open.delete(socket);
          queue.leave(address, waiting);
          if (handshaking.get(peer) === socket) handshaking.delete(peer);
        });
        const begin = () => {
          handshaking.set(peer, socket);
          for (const listener of listeners) listener.call(server, socket);
        };
        const waiting = { socket, begin };
        const sentAway = queue.arrive(address, waiting);
        if (sentAway) {
          count("sent_away");
          setImmediate(() => sentAway.socket.destroy());
        }
        step();
      });
      server.prependListener("secureConnection", (secured: TLSSocket) => {
        const peer = peerOf(secured);
        const socket = handshaking.get(peer);
        handshaking.delete(peer);
        if (socket) {
          begun.delete(socket);
          open.delete(socket);
        }
        secured.resume();
      });
    },
  };
}

type Parts = { limits?: Partial<HandshakeLimits>; metrics?: Pick<Metrics, "counter" | "gauge"> };

const peerOf = ({ remoteAddress, remotePort }: Pick<Socket, "remoteAddress" | "remotePort">) => `${remoteAddress} ${remotePort}`;

function counters(metrics: Parts["metrics"]) {
  const handshakes = metrics?.counter("tenfold_handshakes_total", "TLS handshakes of devices, by what became of them.", ["result"]);
  const waiting = metrics?.gauge("tenfold_handshakes_waiting", "Connections that wait for their TLS handshake.");
  return Object.assign((result: string) => handshakes?.inc({ result }), { waiting: (many: number) => waiting?.set(many) });
}
