/** The MQTT gate with single frames, and the whole endpoint over streams in memory. */
import { duplexPair } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { defaultScope } from "@tenfold/base";
import { generate, type Packet } from "mqtt-packet";
import { FrameReader } from "../../apps/platform/src/links/mqtt/frames.ts";
import { passGate } from "../../apps/platform/src/links/mqtt/gate.ts";
import { type LinksWorld, linksWorld } from "../../apps/platform/src/links/testing.ts";
import { below, mutate, pick, type Random } from "./mutate.ts";
import { type OpenTarget, pure, type Target } from "./target.ts";

const topic = "devices/pump/telemetry";
const sub = { qos: 1, nl: false, rap: false, rh: 0 } as const;

const connects: Packet[] = [
  {
    cmd: "connect",
    protocolId: "MQTT",
    protocolVersion: 5,
    clean: true,
    clientId: "",
    keepalive: 10,
    properties: { sessionExpiryInterval: 60, receiveMaximum: 20, maximumPacketSize: 4_096, userProperties: { a: "b" } },
    will: { topic, payload: Buffer.from("gone"), qos: 1, retain: false, properties: { willDelayInterval: 1 } },
  },
  {
    cmd: "connect",
    protocolId: "MQTT",
    protocolVersion: 4,
    clean: true,
    clientId: "pump",
    keepalive: 10,
    username: "u",
    password: Buffer.from("p"),
  },
];

const others: Packet[] = [
  {
    cmd: "publish",
    topic,
    payload: '{"a":1}',
    qos: 1,
    dup: false,
    retain: false,
    messageId: 1,
    properties: { topicAlias: 1, contentType: "x" },
  },
  { cmd: "publish", topic, payload: "{}", qos: 0, dup: false, retain: false },
  { cmd: "publish", topic: "", payload: "{}", qos: 1, dup: false, retain: false, messageId: 2, properties: { topicAlias: 1 } },
  { cmd: "publish", topic, payload: "{}", qos: 2, dup: false, retain: false, messageId: 3 },
  {
    cmd: "subscribe",
    messageId: 4,
    subscriptions: [
      { topic: "devices/pump/#", ...sub },
      { topic: "devices/pump/commands/+", ...sub },
    ],
    properties: { subscriptionIdentifier: 3 },
  },
  { cmd: "unsubscribe", messageId: 5, unsubscriptions: ["devices/pump/#"] },
  { cmd: "puback", messageId: 1, reasonCode: 0 },
  { cmd: "pubrel", messageId: 1 },
  { cmd: "pingreq" },
  { cmd: "disconnect", reasonCode: 4, properties: { reasonString: "x" } },
];

const written = (packets: readonly Packet[], protocolVersion: number): Buffer[] =>
  packets.flatMap((packet) => {
    try {
      return [generate(packet, { protocolVersion })];
    } catch {
      // The codec cannot write some of these in the older version.
      return [];
    }
  });
const corpus = [...written(connects, 5), ...written(others, 5), ...written(others, 4)];
const accepted = [
  generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 5, clean: true, clientId: "", keepalive: 10 }),
  generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clean: true, clientId: "", keepalive: 10 }),
];

const gate = pure("mqtt-gate", 28, () => (random) => {
  const reader = new FrameReader();
  const input = mutate(random, corpus);
  const version = ([undefined, 4, 5] as const)[below(random, 3)];
  const half = below(random, input.length + 1);
  for (const part of [input.subarray(0, half), input.subarray(half)]) {
    reader.push(Buffer.from(part));
    for (let frames = 0; ; frames++) {
      const frame = reader.next(256 * 1024);
      if (frame.is !== "frame") break;
      if (frames > input.length) throw new Error("more packets than bytes");
      passGate(frame, version);
    }
  }
  if (reader.held > input.length) throw new Error("more bytes held than came");
});

const endpoint: Target = { name: "mqtt-endpoint", weight: 4, open: openEndpoint };

async function openEndpoint(): Promise<OpenTarget> {
  const world = await linksWorld({
    receive: () => ({ is: "stored" }),
    // One device asks every few hundred inputs whether the endpoint serves: here that is not too often.
    limits: { ratePerS: 1_000_000, burst: 1_000_000, connectsPerS: 1_000_000, connectBurst: 1_000_000 },
  });
  return {
    async attack(random) {
      await converse(world, random);
      // The world keeps what it heard for its tests; here only the endpoint's own memory is of interest.
      for (const list of [world.logged, world.events, world.contacts, world.stored]) list.length = 0;
    },
    assertAlive: () => assertServes(world),
    async [Symbol.asyncDispose]() {
      for (let i = 0; i < 20 && world.links.count() > 0; i++) await turn();
      const left = world.links.count();
      await world[Symbol.asyncDispose]();
      if (left > 0) throw new Error(`${left} connections stayed behind`);
    },
  };
}

async function converse(world: LinksWorld, random: Random): Promise<void> {
  const [near, far] = duplexPair();
  near.on("error", () => {});
  if (random() < 0.8) near.resume();
  world.links.acceptStream(far, {
    device: random() < 0.5 ? "pump" : `pump-${below(random, 1_000)}`,
    scope: defaultScope,
    fingerprint: "aa",
  });
  const packets = Array.from({ length: 1 + below(random, 5) }, () =>
    random() < 0.5 ? mutate(random, corpus) : pick(random, corpus),
  );
  const input = Buffer.concat([...(random() < 0.85 ? [pick(random, accepted)] : []), ...packets]);
  const step = random() < 0.8 ? input.length : 1 + below(random, 60);
  for (let at = 0; at < input.length && at < 100 * step; at += step) {
    near.write(input.subarray(at, at + step));
    await turn();
  }
  for (let i = 0; i < 4; i++) await turn();
  if (random() < 0.3) far.destroy();
  near.destroy();
  far.destroy();
}

async function assertServes(world: LinksWorld): Promise<void> {
  const [near, far] = duplexPair();
  const heard: Buffer[] = [];
  near.on("data", (chunk: Buffer) => heard.push(chunk));
  world.links.acceptStream(far, { device: "alive", scope: defaultScope, fingerprint: "aa" });
  near.write(generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clean: true, clientId: "", keepalive: 10 }));
  near.write(
    generate({
      cmd: "publish",
      topic: "devices/alive/telemetry",
      payload: '{"a":1}',
      qos: 1,
      dup: false,
      retain: false,
      messageId: 5,
    }),
  );
  const answered = () => Buffer.concat(heard).includes(Buffer.from("40020005", "hex"));
  for (let i = 0; i < 200 && !answered(); i++) await turn();
  near.destroy();
  far.destroy();
  if (!answered()) throw new Error("the endpoint no longer acknowledges a good message");
}

export const mqttTargets: Target[] = [gate, endpoint];
