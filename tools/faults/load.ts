/** Devices that send numbered QoS 1 messages, come back by themselves, and remember what was acknowledged. */

import { setTimeout as wait } from "node:timers/promises";
import { connect, type TLSSocket } from "node:tls";
import { generate } from "mqtt-packet";
import type { EnrolledDevice } from "../../bench/fleet.ts";

export type LoadOptions = {
  metric?: string;
  /** Messages of one device that may wait for their acknowledgement. */
  window?: number;
  /** Messages a second of each device. */
  perSecond?: number;
  /** Another way in than the platform's own: that of a proxy, or across a wire. */
  host?: string;
  port?: number;
  /** What CONNECT tells as keep-alive. The load never pings: what it sends is sign of life enough. */
  keepAliveS?: number;
  devices?: EnrolledDevice[];
  /** Heartbeats that promise the next one within so many seconds, sent thrice as often. */
  leaseS?: number;
  /** How long a device waits for any acknowledgement before it connects anew. */
  patienceMs?: number;
};

export type Load = {
  metric: string;
  /** The acknowledged numbers of each device. What was not acknowledged when a connection ended is sent again on the next, under its number. */
  acknowledged: ReadonlyMap<string, ReadonlySet<number>>;
  count(): number;
  /** Resolves when so many more were acknowledged; false after `withinMs`. */
  more(messages: number, withinMs: number): Promise<boolean>;
  /** Milliseconds from publish to acknowledgement of all since the last call. */
  latencies(): number[];
  /** How often each reason ended a connection or kept one from being made. */
  ends: ReadonlyMap<string, number>;
  /** Sends nothing new, waits up to `graceMs` for what is under way, and closes. */
  stop(graceMs?: number): Promise<void>;
};

type Target = { host: string; port: number; ca: string };

export function startLoad(
  target: Target,
  options: Required<Omit<LoadOptions, "leaseS" | "port" | "host">> & { leaseS?: number },
): Load {
  const acknowledged = new Map(options.devices.map(({ id }) => [id, new Set<number>()]));
  const ends = new Map<string, number>();
  let latencies: number[] = [];
  let total = 0;
  const stopping = new AbortController();
  // Event times are the load's own, so that every message is a point of its own; they lie in the past, where the platform believes them.
  const epoch = Date.now() - 1_800_000;
  const runs = options.devices.map((device) =>
    keepSending(device, {
      ...options,
      ...target,
      epoch,
      stopping: stopping.signal,
      acknowledged: (seq, ms) => {
        acknowledged.get(device.id)?.add(seq);
        total += 1;
        latencies.push(ms);
      },
      ended: (because) => ends.set(because, (ends.get(because) ?? 0) + 1),
    }),
  );
  return {
    metric: options.metric,
    acknowledged,
    ends,
    count: () => total,
    async more(messages, withinMs) {
      const goal = total + messages;
      for (const deadline = Date.now() + withinMs; total < goal && Date.now() < deadline; ) await wait(10);
      return total >= goal;
    },
    latencies() {
      const found = latencies;
      latencies = [];
      return found;
    },
    async stop(graceMs = 1_500) {
      stopping.abort(graceMs);
      await Promise.all(runs);
    },
  };
}

type Sending = Required<Omit<LoadOptions, "leaseS" | "port" | "host" | "devices">> &
  Target & {
    leaseS?: number;
    epoch: number;
    stopping: AbortSignal;
    acknowledged(seq: number, ms: number): void;
    ended(because: string): void;
  };

async function keepSending(device: EnrolledDevice, sending: Sending): Promise<void> {
  const sequence: Sequence = { next: 1, unanswered: [] };
  while (!sending.stopping.aborted) {
    try {
      const socket = await open(device, sending);
      await converse(socket, { device, sending, sequence });
    } catch (error) {
      sending.ended(error instanceof Error ? error.message : String(error));
    }
    if (!sending.stopping.aborted) await wait(100);
  }
}

/** A connection that is accepted: TLS with the device's certificate, CONNECT answered with success. */
async function open(device: EnrolledDevice, { host, port, ca, keepAliveS }: Target & { keepAliveS: number }): Promise<TLSSocket> {
  const { cert, key } = device;
  // The platform's own certificate is judged by its chain; under a moved clock only the time of this test's process counts.
  const socket = connect({ host, port, ca, cert, key, servername: "localhost" });
  socket.setNoDelay(true);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.setTimeout(8_000, () => reject(new Error("no answer to CONNECT within 8 s")));
      socket.once("error", (error) => reject(new Error(`connection: ${"code" in error ? error.code : error.message}`)));
      socket.once("close", () => reject(new Error("closed before CONNACK")));
      socket.once("secureConnect", () =>
        socket.write(
          generate({
            cmd: "connect",
            protocolId: "MQTT",
            protocolVersion: 4,
            clientId: device.id,
            clean: true,
            keepalive: keepAliveS,
          }),
        ),
      );
      socket.once("data", (answer) =>
        answer[0] === 0x20 && answer[3] === 0 ? resolve() : reject(new Error(`CONNACK ${answer.toString("hex")}`)),
      );
    });
  } catch (error) {
    socket.destroy();
    throw error;
  }
  socket.setTimeout(0);
  socket.removeAllListeners();
  return socket;
}

type Sequence = { next: number /** Sent on a connection that ended before the acknowledgement. */; unanswered: number[] };
type Conversation = { device: EnrolledDevice; sending: Sending; sequence: Sequence };

/** Sends at the pace and reads acknowledgements until the connection ends, nothing is answered for too long, or all is to stop. */
function converse(socket: TLSSocket, { device, sending, sequence }: Conversation): Promise<void> {
  const inFlight = new Map<number, { seq: number; at: number }>();
  let [nextId, beats, heard, began] = [1, 0, performance.now(), performance.now()];
  let rest: Buffer = Buffer.alloc(0);
  let sent = 0;
  const topic = (channel: string) => `devices/${device.id}/${channel}`;
  const publish = (channel: string, payload: string, seq: number) => {
    const id = nextId;
    nextId = (nextId % 65_535) + 1;
    inFlight.set(id, { seq, at: performance.now() });
    socket.write(generate({ cmd: "publish", topic: topic(channel), payload, qos: 1, messageId: id, dup: false, retain: false }));
  };
  const beat = () => {
    const seconds = Math.round(performance.now() / 1_000);
    const firmware = { version: "1.0.0" };
    publish(
      "heartbeat",
      JSON.stringify({
        seq: beats++,
        bootId: "boot-1",
        uptimeS: seconds,
        leaseS: sending.leaseS,
        monoS: seconds,
        clock: "none",
        firmware,
      }),
      0,
    );
  };
  const pump = () => {
    const due = ((performance.now() - began) / 1_000) * sending.perSecond;
    while (inFlight.size < sending.window && sent < due && !sending.stopping.aborted) {
      const seq = sequence.unanswered.shift() ?? sequence.next++;
      const count = { _seq: seq, _boot: sending.metric };
      publish("telemetry", JSON.stringify({ ts: sending.epoch + seq, [sending.metric]: seq, ...count }), seq);
      sent += 1;
    }
  };
  const read = (chunk: Buffer) => {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    heard = performance.now();
    let at = 0;
    for (; at + 4 <= rest.length && rest[at] === 0x40; at += 4) {
      const id = rest.readUInt16BE(at + 2);
      const message = inFlight.get(id);
      inFlight.delete(id);
      if (message !== undefined && message.seq > 0) sending.acknowledged(message.seq, heard - message.at);
    }
    rest = rest.subarray(at);
  };
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (sending.stopping.aborted && inFlight.size === 0) socket.destroy();
      else if (inFlight.size > 0 && performance.now() - heard > sending.patienceMs) {
        sending.ended(`no acknowledgement for ${sending.patienceMs} ms`);
        socket.destroy();
      } else {
        if (inFlight.size === 0) heard = performance.now();
        pump();
      }
    }, 10);
    if (sending.leaseS !== undefined) beat();
    const beating = sending.leaseS === undefined ? undefined : setInterval(beat, (sending.leaseS * 1_000) / 3);
    const giveUp = () => setTimeout(() => socket.destroy(), Number(sending.stopping.reason)).unref();
    if (sending.stopping.aborted) giveUp();
    else sending.stopping.addEventListener("abort", giveUp, { once: true });
    socket.on("data", (chunk) => {
      read(chunk);
      pump();
    });
    socket.on("error", (error) => sending.ended(`connection: ${"code" in error ? error.code : error.message}`));
    socket.on("close", () => {
      clearInterval(timer);
      clearInterval(beating);
      sequence.unanswered.push(...[...inFlight.values()].flatMap(({ seq }) => (seq > 0 ? [seq] : [])));
      sending.stopping.removeEventListener("abort", giveUp);
      if (!sending.stopping.aborted) sending.ended("closed by the platform or the way there");
      resolve();
    });
    pump();
  });
}
