/**
 * Connections of somebody without a valid certificate, from a process of their own, so that what they cost is not taken for what the platform costs.
 * Started by hostile.ts with its orders as JSON; says `{ standing }` when all are there and `{ ended }` when all are closed or it has waited long enough.
 */
import { readFileSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { connect } from "node:tls";
import { firstFlight } from "../../packages/testkit/src/first-flight.ts";

export type CrowdOrders = {
  kind: CrowdKind;
  port: number;
  many: number;
  /** New connections a second. */
  perSecond: number;
  /** Whom they come from: 127.0.1.1 and so many addresses behind it. */
  addresses: number;
  waitMs: number;
};

export type CrowdReport = {
  opened: number;
  /** Closed by the other side, or refused by it. */
  closed: number;
  /** The longest life of a connection, milliseconds, from when it was connected. */
  longestMs: number;
  /** Bytes that it could send before it was closed, at most. */
  mostBytes: number;
};

export type CrowdSays = { standing: number } | { ended: CrowdReport };

/** What each does with its socket. Whatever it does, it never has a certificate that the platform admits. */
const kinds = {
  /** Says nothing. */
  silent: () => {},
  /** The first part of a ClientHello. */
  halfHandshake: (socket: Socket) => void socket.write(hello.subarray(0, 100)),
  /** A byte each tenth of a second. */
  slowloris(socket: Socket) {
    let at = 0;
    const drip = setInterval(() => socket.write(hello.subarray(at % hello.length, (at++ % hello.length) + 1)), 100);
    socket.once("close", () => clearInterval(drip));
  },
  /** All that the other side takes, of a ClientHello that says it has 16 MiB. */
  endless(socket: Socket) {
    const more = () => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.write(Buffer.from("160301400001ffffff0303", "hex"));
    socket.on("drain", more);
    more();
  },
  /** A whole handshake without a certificate, and then no CONNECT. */
  noCertificate: (socket: Socket) => void connect({ socket, rejectUnauthorized: false }).on("error", () => {}),
  /** Reads nothing, so that its handshake never ends. That it was closed it hears from the kernel, which forgets a connection that was reset. */
  zeroWindow(socket: Socket) {
    socket.pause();
    socket.write(hello);
    const look = setInterval(() => {
      if (!established().has(socket.localPort ?? 0)) socket.destroy();
    }, 250);
    socket.once("close", () => clearInterval(look));
  },
  /** Gone as soon as it is there. */
  flash: (socket: Socket) => void socket.resetAndDestroy(),
} as const;

export type CrowdKind = keyof typeof kinds;

const hello = await firstFlight();
const chunk = Buffer.alloc(4_096, 22);
let lastLook = { at: Number.NEGATIVE_INFINITY, ports: new Set<number>() };

/** The local ports of TCP connections that stand, as the kernel knows them; looked up at most every tenth of a second. */
function established(): Set<number> {
  if (performance.now() - lastLook.at < 100) return lastLook.ports;
  const rows = readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1);
  const fields = rows.map((row) => row.trim().split(/\s+/));
  const ports = new Set(
    fields.filter(([, , , state]) => state === "01").map(([, local = ""]) => Number.parseInt(local.split(":")[1] ?? "0", 16)),
  );
  lastLook = { at: performance.now(), ports };
  return ports;
}

if (process.send) await play(JSON.parse(process.argv[2] ?? "{}") as CrowdOrders);

async function play({ kind, port, many, perSecond, addresses, waitMs }: CrowdOrders): Promise<void> {
  const report: CrowdReport = { opened: 0, closed: 0, longestMs: 0, mostBytes: 0 };
  const open = new Set<Socket>();
  const began = performance.now();
  let tried = 0;
  for (; tried < many; tried++) {
    const host = `127.0.1.${1 + (tried % addresses)}`;
    const socket = createConnection({ port, host: "127.0.0.1", localAddress: host });
    let since = performance.now();
    open.add(socket);
    socket.on("error", () => {});
    socket.once("connect", () => {
      report.opened += 1;
      since = performance.now();
      if (kind !== "zeroWindow" && kind !== "noCertificate") socket.resume();
      kinds[kind](socket);
    });
    socket.once("close", () => {
      open.delete(socket);
      report.closed += 1;
      report.longestMs = Math.max(report.longestMs, performance.now() - since);
      report.mostBytes = Math.max(report.mostBytes, socket.bytesWritten - socket.writableLength);
    });
    const untilDue = began + ((tried + 1) * 1_000) / perSecond - performance.now();
    if (untilDue > 0) await wait(untilDue);
  }
  process.send?.({ standing: open.size } satisfies CrowdSays);
  for (const deadline = performance.now() + waitMs; open.size > 0 && performance.now() < deadline; ) await wait(20);
  process.send?.({ ended: report } satisfies CrowdSays);
  process.disconnect();
  for (const socket of open) socket.destroy();
}
