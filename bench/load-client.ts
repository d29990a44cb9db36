/**
 * A load in a process of its own: devices over mutual TLS that publish at QoS 1. Made to cost little beside the server: one packet shape,
 * digits written in place, latencies counted in buckets. Started by load.ts, which tells it when to begin what.
 */
import { readFileSync } from "node:fs";
import { connect, type TLSSocket } from "node:tls";
import { generate } from "mqtt-packet";
import { LatencyCounts } from "./latency.ts";

export type LoadOrders = {
  host: string;
  port: number;
  ca: string;
  devices: { id: string; cert: string; key: string }[];
  /** How many connections are being made at one time. */
  connectsAtOnce: number;
};

/**
 * `count`: each device sends so many, at most `window` unacknowledged. `pace`: all devices together `perSecond`, in turn, for `seconds`; a
 * latency counts from when the message was due, so that a server which falls behind cannot hide it.
 */
export type LoadPhase =
  | { is: "count"; each: number; window: number }
  | { is: "pace"; perSecond: number; seconds: number; window: number };

export type PhaseReport = {
  sent: number;
  acknowledged: number;
  /** Connections that ended before everything was acknowledged. */
  lost: number;
  seconds: number;
  cpuSeconds: number;
  /** Buckets of `latency.ts`, publish to PUBACK. */
  ack: number[];
};

export type ToClient = { do: "run"; phase: LoadPhase } | { do: "end" };
export type FromClient =
  | { is: "connected"; connections: number; seconds: number; cpuSeconds: number }
  | { is: "done"; report: PhaseReport };

const longestWindow = 1_024;

/** One device. The packet id is the message's place in the window, so that an acknowledgement finds its message without a search. */
class Device {
  readonly socket: TLSSocket;
  readonly #packet: Buffer;
  readonly #payloadAt: number;
  readonly #sentAt = new Float64Array(longestWindow);
  readonly #free: number[] = [];
  #seq = 0;
  #rest = 0;
  #partial = Buffer.alloc(4);
  inFlight = 0;
  left = 0;
  window = 0;
  onAck: (latencyMs: number) => void = () => {};

  constructor(socket: TLSSocket, id: string) {
    this.socket = socket;
    const payload = payloadShape;
    this.#packet = generate({
      cmd: "publish",
      topic: `devices/${id}/telemetry`,
      payload,
      qos: 1,
      messageId: 1,
      dup: false,
      retain: false,
    });
    this.#payloadAt = this.#packet.length - payload.length;
  }

  begin(each: number, window: number): void {
    this.left = each;
    this.window = Math.min(window, longestWindow);
    this.#free.length = 0;
    for (let id = this.window; id >= 1; id--) this.#free.push(id);
    this.inFlight = 0;
  }

  /** Sends until the window is full. `dueAt` is from when latency counts. */
  pump(dueAt: number, most = Number.POSITIVE_INFINITY): number {
    const many = Math.min(this.window - this.inFlight, this.left, most);
    if (many <= 0) return 0;
    const size = this.#packet.length;
    const bytes = Buffer.allocUnsafe(size * many);
    const now = Date.now();
    for (let i = 0; i < many; i++) this.#write(bytes, i * size, now, dueAt);
    this.inFlight += many;
    this.left -= many;
    this.socket.write(bytes);
    return many;
  }

  #write(bytes: Buffer, at: number, now: number, dueAt: number): void {
    const id = this.#free.pop() ?? 1;
    this.#packet.copy(bytes, at);
    bytes.writeUInt16BE(id, at + this.#payloadAt - 2);
    digits(bytes, at + this.#payloadAt + tsAt, now, 13);
    const seq = this.#seq++;
    digits(bytes, at + this.#payloadAt + seqAt, 1_000_000 + (seq % 9_000_000), 7);
    digits(bytes, at + this.#payloadAt + temperatureAt, 10 + (seq % 90), 2);
    this.#sentAt[id - 1] = dueAt;
  }

  /** Reads PUBACKs: four bytes each in MQTT 3.1.1. */
  arrived(chunk: Buffer): void {
    const now = performance.now();
    let at = 0;
    while (this.#rest > 0 && at < chunk.length) {
      this.#partial[this.#rest++] = chunk[at++] ?? 0;
      if (this.#rest < 4) continue;
      this.#rest = 0;
      this.#acknowledged(this.#partial.readUInt16BE(2), now);
    }
    for (; at + 4 <= chunk.length; at += 4) this.#acknowledged(chunk.readUInt16BE(at + 2), now);
    while (at < chunk.length) this.#partial[this.#rest++] = chunk[at++] ?? 0;
  }

  #acknowledged(id: number, now: number): void {
    this.inFlight -= 1;
    this.#free.push(id);
    this.onAck(now - (this.#sentAt[id - 1] ?? now));
  }
}

const payloadShape = '{"ts":1700000000000,"seq":1000000,"temperature":20.5,"humidity":45,"vibration":0.12,"battery":3.7}';
const tsAt = payloadShape.indexOf("1700");
const seqAt = payloadShape.indexOf("1000000,");
const temperatureAt = payloadShape.indexOf("20.5");

function digits(bytes: Buffer, at: number, value: number, width: number): void {
  let rest = value;
  for (let i = width - 1; i >= 0; i--) {
    const next = Math.floor(rest / 10);
    bytes[at + i] = 0x30 + (rest - next * 10);
    rest = next;
  }
}

async function open(orders: LoadOrders, { id, cert, key }: LoadOrders["devices"][number]): Promise<Device> {
  const { host, port, ca } = orders;
  const socket = connect({ host, port, ca, cert, key, servername: "localhost", checkServerIdentity: () => undefined });
  socket.setNoDelay(true);
  await new Promise<void>((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  socket.on("error", () => {});
  socket.write(generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId: id, clean: true, keepalive: 600 }));
  await new Promise<void>((resolve, reject) => {
    socket.once("data", (answer: Buffer) =>
      answer[0] === 0x20 && answer[3] === 0 ? resolve() : reject(new Error(`CONNACK refused: ${answer.toString("hex")}`)),
    );
    socket.once("close", () => reject(new Error(`${id} was closed before CONNACK.`)));
  });
  return new Device(socket, id);
}

async function openAll(orders: LoadOrders): Promise<Device[]> {
  const opened: Device[] = [];
  let next = 0;
  const lane = async () => {
    for (let device = orders.devices[next++]; device !== undefined; device = orders.devices[next++])
      opened.push(await open(orders, device));
  };
  await Promise.all(Array.from({ length: orders.connectsAtOnce }, lane));
  return opened;
}

async function runPhase(devices: readonly Device[], phase: LoadPhase): Promise<PhaseReport> {
  const counts = new LatencyCounts();
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  let [acknowledged, sent, lost] = [0, 0, 0];
  const done = Promise.withResolvers<void>();
  let going = devices.length;
  const ended = () => {
    going -= 1;
    if (going === 0) done.resolve();
  };
  for (const device of devices) {
    let over = false;
    const end = () => {
      if (over) return;
      over = true;
      ended();
    };
    device.begin(phase.is === "count" ? phase.each : Number.POSITIVE_INFINITY, phase.window);
    device.onAck = (latency) => {
      acknowledged += 1;
      counts.add(latency);
    };
    device.socket.removeAllListeners("data").removeAllListeners("close");
    device.socket.on("close", () => {
      if (!over) lost += 1;
      end();
    });
    device.socket.on("data", (chunk: Buffer) => {
      device.arrived(chunk);
      if (device.left > 0 && phase.is === "count") sent += device.pump(performance.now());
      else if (device.left === 0 && device.inFlight === 0) end();
    });
  }
  if (phase.is === "count") for (const device of devices) sent += device.pump(performance.now());
  else sent = await pace(devices, phase, began);
  if (phase.is === "pace")
    for (const device of devices) {
      device.left = 0;
      if (device.inFlight === 0) device.socket.emit("data", Buffer.alloc(0));
    }
  await done.promise;
  const used = process.cpuUsage(cpu);
  return {
    sent,
    acknowledged,
    lost,
    seconds: (performance.now() - began) / 1_000,
    cpuSeconds: (used.user + used.system) / 1e6,
    ack: counts.buckets(),
  };
}

/** Each message when it is due, from the next device in turn that has room in its window. */
async function pace(
  devices: readonly Device[],
  { perSecond, seconds }: LoadPhase & { is: "pace" },
  began: number,
): Promise<number> {
  const total = perSecond * seconds;
  let [due, turn, sent] = [0, 0, 0];
  while (due < total) {
    await new Promise((resolve) => setTimeout(resolve, 4));
    const now = performance.now();
    // After the time is over nothing more becomes due: a server that is too slow is not waited for.
    if (now - began > seconds * 1_000) break;
    const until = Math.min(total, Math.floor(((now - began) / 1_000) * perSecond));
    for (; due < until; due++) {
      const device = devices[turn++ % devices.length];
      if (device) sent += device.pump(began + (due / perSecond) * 1_000, 1);
    }
  }
  return sent;
}

const say = (message: FromClient) => process.send?.(message);

if (import.meta.main) {
  const orders = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as LoadOrders;
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  const devices = await openAll(orders);
  const used = process.cpuUsage(cpu);
  process.on("message", (order: ToClient) => {
    if (order.do === "end") process.exit(0);
    void runPhase(devices, order.phase).then((report) => say({ is: "done", report }));
  });
  process.on("disconnect", () => process.exit(0));
  say({
    is: "connected",
    connections: devices.length,
    seconds: (performance.now() - began) / 1_000,
    cpuSeconds: (used.user + used.system) / 1e6,
  });
}
