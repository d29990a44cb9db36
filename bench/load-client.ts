/**
 * A load in a process of its own: N devices over mutual TLS, each with at most `window` unacknowledged QoS 1 messages.
 * Reads its orders from the JSON file named first, prints one JSON line.
 */
import { readFileSync } from "node:fs";
import { connect, type TLSSocket } from "node:tls";
import { generate } from "mqtt-packet";

export type LoadOrders = {
  host: string;
  port: number;
  ca: string;
  devices: { id: string; cert: string; key: string }[];
  window: number;
  messages: number;
  /** `hold`: connect, stay silent for so long, and end. */
  holdMs?: number;
  /** Sequence number of the first message of each device. */
  firstSeq?: number;
};

export type LoadReport = {
  connected: number;
  acknowledged: number;
  seconds: number;
  connectSeconds: number;
  ackMs: { p50: number; p95: number; p99: number };
};

type Link = {
  socket: TLSSocket;
  topic: string;
  left: number;
  inFlight: number;
  nextId: number;
  seq: number;
  sentAt: Map<number, number>;
};

const payloadOf = (seq: number) =>
  `{"ts":${Date.now()},"seq":${seq},"temperature":${(20 + (seq % 100) / 10).toFixed(1)},"humidity":${40 + (seq % 20)},"vibration":${((seq % 50) / 100).toFixed(2)},"battery":3.7}`;

async function openLink(orders: LoadOrders, device: LoadOrders["devices"][number], left: number): Promise<Link> {
  const socket = connect({
    host: orders.host,
    port: orders.port,
    ca: orders.ca,
    cert: device.cert,
    key: device.key,
    servername: "localhost",
    checkServerIdentity: () => undefined,
  });
  socket.setNoDelay(true);
  await new Promise<void>((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  socket.write(
    generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId: device.id, clean: true, keepalive: 600 }),
  );
  await new Promise<void>((resolve, reject) => {
    socket.once("data", (answer) =>
      answer[0] === 0x20 && answer[3] === 0 ? resolve() : reject(new Error(`CONNACK refused: ${answer.toString("hex")}`)),
    );
    socket.once("close", () => reject(new Error("closed before CONNACK")));
  });
  return {
    socket,
    topic: `devices/${device.id}/telemetry`,
    left,
    inFlight: 0,
    nextId: 1,
    seq: orders.firstSeq ?? 0,
    sentAt: new Map(),
  };
}

/** Sends until the window is full. */
function pump(link: Link, window: number): void {
  const packets: Buffer[] = [];
  while (link.inFlight < window && link.left > 0) {
    const id = link.nextId;
    link.nextId = (id % 65_535) + 1;
    packets.push(
      generate({
        cmd: "publish",
        topic: link.topic,
        payload: payloadOf(link.seq++),
        qos: 1,
        messageId: id,
        dup: false,
        retain: false,
      }),
    );
    link.sentAt.set(id, performance.now());
    link.inFlight += 1;
    link.left -= 1;
  }
  if (packets.length > 0) link.socket.write(packets.length === 1 && packets[0] ? packets[0] : Buffer.concat(packets));
}

/** Reads PUBACKs (4 bytes each in MQTT 3.1.1) and goes on sending until every message is acknowledged. */
function drive(link: Link, { window, latencies }: { window: number; latencies: number[] }): Promise<number> {
  let acknowledged = 0;
  let rest = Buffer.alloc(0);
  return new Promise((resolve) => {
    link.socket.removeAllListeners("close");
    link.socket.on("data", (chunk) => {
      rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      let at = 0;
      while (at + 4 <= rest.length && rest[at] === 0x40) {
        const id = rest.readUInt16BE(at + 2);
        latencies.push(performance.now() - (link.sentAt.get(id) ?? performance.now()));
        link.sentAt.delete(id);
        link.inFlight -= 1;
        acknowledged += 1;
        at += 4;
      }
      rest = rest.subarray(at);
      if (link.left === 0 && link.inFlight === 0) resolve(acknowledged);
      else pump(link, window);
    });
    link.socket.on("close", () => resolve(acknowledged));
    link.socket.on("error", () => resolve(acknowledged));
    pump(link, window);
  });
}

const percentile = (sorted: number[], share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

export async function runLoad(orders: LoadOrders): Promise<LoadReport> {
  const began = performance.now();
  const links: Link[] = [];
  const each = Math.ceil(orders.messages / orders.devices.length);
  for (let i = 0; i < orders.devices.length; i += 32)
    links.push(...(await Promise.all(orders.devices.slice(i, i + 32).map((device) => openLink(orders, device, each)))));
  const connectSeconds = (performance.now() - began) / 1_000;
  const latencies: number[] = [];
  const started = performance.now();
  if (orders.holdMs !== undefined) await new Promise((resolve) => setTimeout(resolve, orders.holdMs));
  const counts =
    orders.holdMs === undefined ? await Promise.all(links.map((link) => drive(link, { window: orders.window, latencies }))) : [];
  const seconds = (performance.now() - started) / 1_000;
  for (const { socket } of links) socket.destroy();
  latencies.sort((a, b) => a - b);
  return {
    connected: links.length,
    acknowledged: counts.reduce((sum, n) => sum + n, 0),
    seconds,
    connectSeconds,
    ackMs: { p50: percentile(latencies, 0.5), p95: percentile(latencies, 0.95), p99: percentile(latencies, 0.99) },
  };
}

if (import.meta.main) {
  const orders = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as LoadOrders;
  console.log(JSON.stringify(await runLoad(orders)));
  process.exit(0);
}
