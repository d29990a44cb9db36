import type { Socket } from "node:net";
import type { Server, TLSSocket } from "node:tls";
import type { Metrics } from "../metrics.ts";
import { helloIn } from "./client-hello.ts";
import { HandshakePlaces } from "./handshake-places.ts";
import { type HandshakePace, HandshakeQueue } from "./handshake-queue.ts";

export type HandshakeLimits = HandshakePace & {
  /** Handshakes that have begun and are not done; at their most an address with fewer takes the place of one with more. */
  maxBegun: number;
  /** From its connection to the end of its ClientHello, and from its turn to the end of its handshake, milliseconds. */
  handshakeMs: number;
  /** What a peer may send until its handshake is done, bytes. An honest chain of two certificates takes 2 KiB. */
  maxBytes: number;
};

/**
 * Three hundred a second take half of a core; the rest of it serves who is connected already. What begins at once is what the others wait for: thirty
 * take a twentieth of a second.
 */
export const usualHandshakes: HandshakeLimits = {
  perSecond: 300,
  burst: 30,
  maxWaiting: 4_096,
  maxBegun: 512,
  handshakeMs: 5_000,
  maxBytes: 16 * 1024,
};

export type Handshakes = {
  readonly limits: HandshakeLimits;
  /** Lets this server's connections begin their TLS handshakes in turn. The server must have been made with `pauseOnConnect: true`. */
  guard(server: Server): void;
  /** Connections that have said hello and wait for their handshake. */
  waiting(): number;
};

const stepMs = 20;
const bytesEveryMs = 250;

type Waiting = { socket: Socket; address: string; begin: () => void };

/**
 * Admission to TLS, for all listeners of the process together. Until a connection has sent a whole ClientHello it is a socket and those bytes, and no
 * TLS: whoever is silent, slow or no client takes nobody's turn. Then it waits for its turn, unread; when too many wait for either, one is closed. For
 * each of the two it has a time, and a number of bytes until it must have come through.
 */
export function createHandshakes({ limits: given = {}, metrics }: Parts = {}): Handshakes {
  const limits = { ...usualHandshakes, ...given };
  const now = () => performance.now();
  const queue = new HandshakeQueue<Waiting>(limits, now());
  /** Who has not said hello yet: the same lines, for the choice of who is sent away. */
  const lobby = new HandshakeQueue<Socket>(limits, now());
  const greeting = new Map<Socket, number>();
  const begun = new Map<Socket, number>();
  const places = new HandshakePlaces<Socket>(limits.maxBegun);
  /** Whose turn has come, and who begins one after the other. */
  const turns: Waiting[] = [];
  const guarded: { server: Server; open: Set<Socket> }[] = [];
  const count = counters(metrics);
  let timer: NodeJS.Timeout | undefined;
  let countedAt = now();
  let resting = false;

  /** Each is followed by a rest as long as it took: so beginnings leave half of the time to connected devices, also where the machine is busy. */
  const beginNext = () => {
    const next = resting ? undefined : turns.shift();
    if (next === undefined) return;
    const from = now();
    if (!next.socket.destroyed) {
      begun.set(next.socket, from);
      count("begun");
      next.begin();
    }
    resting = true;
    const rest = () => {
      resting = false;
      beginNext();
    };
    setTimeout(rest, now() - from);
  };
  const takePlace = (address: string, { socket }: Waiting) => {
    if (!places.mayTake(address)) return false;
    const leaves = places.take(address, socket);
    if (leaves) end(leaves, "sent_away");
    return true;
  };
  const beginDue = () => {
    // Where the machine is too busy for the pace, they wait in their lines and not here.
    if (turns.length <= limits.burst) turns.push(...queue.due(now(), takePlace));
    beginNext();
  };
  const endOverdue = () => {
    const before = now() - limits.handshakeMs;
    // Both lists are in the order of their beginnings: behind the first that still has time, all have.
    for (const line of [greeting, begun])
      for (const [socket, since] of line) {
        if (since >= before) break;
        end(socket, "too_slow");
      }
  };
  /** Seldom: asking one of hundreds of sockets how much it has read costs microseconds (measured: with 512 of them a tenth of a core at each step). */
  const endTooLarge = () => {
    if (now() - countedAt < bytesEveryMs) return;
    countedAt = now();
    for (const socket of begun.keys()) if (socket.bytesRead > limits.maxBytes) end(socket, "too_large");
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
    endTooLarge();
    count.waiting(queue.waiting);
    if (queue.waiting + turns.length + begun.size + greeting.size > 0) {
      timer ??= setInterval(step, stepMs).unref();
      return;
    }
    clearInterval(timer);
    timer = undefined;
  };
  const sendAway = (socket: Socket | undefined) => {
    if (socket === undefined) return;
    count("sent_away");
    setImmediate(() => socket.resetAndDestroy());
  };
  const end = (socket: Socket, because: string) => {
    count(because);
    begun.delete(socket);
    greeting.delete(socket);
    // Not within the timer's own turn of the event loop: the close would show only at the next event, whenever that comes (measured). A reset, because
    // an orderly close waits for whoever does not read.
    setImmediate(() => socket.resetAndDestroy());
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
          greeting.delete(socket);
          lobby.leave(address, socket);
          queue.leave(address, waiting);
          places.leave(address, socket);
          begun.delete(socket);
          if (handshaking.get(peer) === socket) handshaking.delete(peer);
        });
        const begin = () => {
          handshaking.set(peer, socket);
          for (const listener of listeners) listener.call(server, socket);
        };
        const waiting = { socket, address, begin };
        sendAway(lobby.arrive(address, socket));
        greeting.set(socket, now());
        untilHello(socket, limits.maxBytes, (became) => {
          lobby.leave(address, socket);
          greeting.delete(socket);
          if (became === "whole") sendAway(queue.arrive(address, waiting)?.socket);
          else end(socket, became === "none" ? "not_tls" : "too_large");
          step();
        });
        step();
      });
      server.prependListener("secureConnection", (secured: TLSSocket) => {
        const peer = peerOf(secured);
        const socket = handshaking.get(peer);
        handshaking.delete(peer);
        if (socket) {
          begun.delete(socket);
          open.delete(socket);
          places.leave(secured.remoteAddress ?? "", socket);
        }
        secured.resume();
      });
    },
  };
}

/** Reads until there is a whole ClientHello, and leaves it in the socket for whoever reads it next; tells once what became of it. */
function untilHello(socket: Socket, maxBytes: number, tell: (became: "whole" | "none" | "too_large") => void): void {
  let came: Buffer = Buffer.alloc(0);
  const read = (chunk: Buffer) => {
    came = came.length === 0 ? chunk : Buffer.concat([came, chunk]);
    const hello = helloIn(came, maxBytes);
    if (hello === "more" && came.length <= maxBytes) return;
    socket.off("data", read);
    socket.pause();
    if (hello === "whole") socket.unshift(came);
    tell(hello === "more" ? "too_large" : hello);
  };
  // The server paused it; a listener alone does not change that.
  socket.on("data", read).resume();
}

type Parts = { limits?: Partial<HandshakeLimits>; metrics?: Pick<Metrics, "counter" | "gauge"> };

const peerOf = ({ remoteAddress, remotePort }: Pick<Socket, "remoteAddress" | "remotePort">) => `${remoteAddress} ${remotePort}`;

function counters(metrics: Parts["metrics"]) {
  const handshakes = metrics?.counter("tenfold_handshakes_total", "TLS handshakes of devices, by what became of them.", ["result"]);
  const waiting = metrics?.gauge(
    "tenfold_handshakes_waiting",
    "Connections that have said hello and wait for their TLS handshake.",
  );
  return Object.assign((result: string) => handshakes?.inc({ result }), { waiting: (many: number) => waiting?.set(many) });
}
