/**
 * A load in a process of its own: devices over mutual TLS that publish at QoS 1. Made to cost little beside the server: one packet shape,
 * digits written in place, latencies counted in buckets. Started by load.ts, which tells it when to begin what.
 */
import { readFileSync } from "node:fs";
import { connect } from "node:tls";
import { generate } from "mqtt-packet";
import { LatencyCounts } from "./latency.ts";
import { LoadDevice } from "./load-device.ts";

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
 * latency counts from when the message was due, so that a server which falls behind cannot hide it. `flood`: each keeps its window full for
 * `seconds`. `comeBack`: all connections are lost, and made again within `withinS` at random; latencies are from the loss to CONNACK, `lost`
 * counts attempts that failed.
 */
export type LoadPhase =
  | { is: "count"; each: number; window: number }
  | { is: "pace"; perSecond: number; seconds: number; window: number }
  | { is: "flood"; seconds: number; window: number }
  | { is: "comeBack"; withinS: number; resume: "resume" | "anew" };

export type PhaseReport = {
  sent: number;
  acknowledged: number;
  /** Connections that ended before everything was acknowledged. */
  lost: number;
  seconds: number;
  cpuSeconds: number;
  /** Connections whose TLS session was resumed. */
  resumed: number;
  /** Buckets of `latency.ts`, publish to PUBACK. */
  ack: number[];
};

export type ToClient = { do: "run"; phase: LoadPhase } | { do: "end" };
export type FromClient =
  | { is: "connected"; connections: number; seconds: number; cpuSeconds: number }
  | { is: "done"; report: PhaseReport };

/** TLS sessions that servers gave, by device, for those that come back. */
const sessions = new Map<string, Buffer>();

async function open(orders: LoadOrders, device: LoadOrders["devices"][number], resume: Resume): Promise<LoadDevice> {
  const { host, port, ca } = orders;
  const { id, cert, key } = device;
  const session = resume === "resume" ? sessions.get(id) : undefined;
  const socket = connect({
    ...{ host, port, ca, cert, key, servername: "localhost", checkServerIdentity: () => undefined },
    ...(session && { session }),
  });
  socket.setNoDelay(true);
  socket.on("session", (given: Buffer) => sessions.set(id, given));
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve).once("error", reject);
      socket.once("close", () => reject(new Error(`${id} was closed in its handshake.`)));
    });
    socket.on("error", () => {});
    socket.write(generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId: id, clean: true, keepalive: 600 }));
    await new Promise<void>((resolve, reject) => {
      socket.once("data", (answer: Buffer) =>
        answer[0] === 0x20 && answer[3] === 0 ? resolve() : reject(new Error(`CONNACK refused: ${answer.toString("hex")}`)),
      );
      socket.once("close", () => reject(new Error(`${id} was closed before CONNACK.`)));
    });
  } catch (error) {
    socket.on("error", () => {}).destroy();
    throw error;
  }
  return new LoadDevice(socket, id);
}

type Resume = "resume" | "anew";

async function openAll(orders: LoadOrders): Promise<LoadDevice[]> {
  const opened: LoadDevice[] = [];
  let next = 0;
  const lane = async () => {
    for (let device = orders.devices[next++]; device !== undefined; device = orders.devices[next++])
      opened.push(await open(orders, device, "anew"));
  };
  await Promise.all(Array.from({ length: orders.connectsAtOnce }, lane));
  return opened;
}

/** Every device loses its connection and comes back within so long, at a moment of its own; who fails tries again. */
async function comeBack(orders: LoadOrders, devices: LoadDevice[], phase: LoadPhase & { is: "comeBack" }): Promise<PhaseReport> {
  for (const { socket } of devices.splice(0))
    socket
      .removeAllListeners()
      .on("error", () => {})
      .destroy();
  const counts = new LatencyCounts();
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  let [failures, resumed] = [0, 0];
  const one = async (device: LoadOrders["devices"][number]) => {
    await pauseFor(Math.random() * phase.withinS * 1_000);
    for (let tries = 0; ; tries++) {
      try {
        const back = await open(orders, device, phase.resume);
        if (back.socket.isSessionReused()) resumed += 1;
        counts.add(performance.now() - began);
        devices.push(back);
        return;
      } catch {
        failures += 1;
        await pauseFor(Math.min(30, 2 ** tries) * 1_000 * (0.5 + Math.random()));
      }
    }
  };
  await Promise.all(orders.devices.map(one));
  const used = process.cpuUsage(cpu);
  return {
    ...{ sent: 0, acknowledged: devices.length, lost: failures, resumed },
    seconds: (performance.now() - began) / 1_000,
    cpuSeconds: (used.user + used.system) / 1e6,
    ack: counts.buckets(),
  };
}

const pauseFor = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function publish(devices: readonly LoadDevice[], phase: Exclude<LoadPhase, { is: "comeBack" }>): Promise<PhaseReport> {
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
      if (device.left > 0 && phase.is !== "pace") sent += device.pump(performance.now());
      else if (device.left === 0 && device.inFlight === 0) end();
    });
  }
  if (phase.is === "pace") sent = await pace(devices, phase, began);
  else for (const device of devices) sent += device.pump(performance.now());
  if (phase.is === "flood") await pauseFor(phase.seconds * 1_000);
  if (phase.is !== "count")
    for (const device of devices) {
      device.left = 0;
      if (device.inFlight === 0) device.socket.emit("data", Buffer.alloc(0));
    }
  await done.promise;
  const used = process.cpuUsage(cpu);
  return {
    ...{ sent, acknowledged, lost, resumed: 0 },
    seconds: (performance.now() - began) / 1_000,
    cpuSeconds: (used.user + used.system) / 1e6,
    ack: counts.buckets(),
  };
}

/** Each message when it is due, from the next device in turn that has room in its window. */
async function pace(
  devices: readonly LoadDevice[],
  { perSecond, seconds }: LoadPhase & { is: "pace" },
  began: number,
): Promise<number> {
  const total = perSecond * seconds;
  let [due, turn, sent] = [0, 0, 0];
  while (due < total) {
    await pauseFor(4);
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
    const { phase } = order;
    const running = phase.is === "comeBack" ? comeBack(orders, devices, phase) : publish(devices, phase);
    void running.then((report) => say({ is: "done", report }));
  });
  process.on("disconnect", () => process.exit(0));
  say({
    is: "connected",
    connections: devices.length,
    seconds: (performance.now() - began) / 1_000,
    cpuSeconds: (used.user + used.system) / 1e6,
  });
}
