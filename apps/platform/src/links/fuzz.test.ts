import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { defaultScope, seededRandom } from "@tenfold/base";
import { generate, type Packet } from "mqtt-packet";
import { type LinksWorld, linksWorld } from "./testing.ts";

const runs = Number(process.env.TENFOLD_FUZZ_RUNS ?? 2_000);
const atOnce = 40;

type Random = () => number;
const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;

const names = [
  "devices/pump/telemetry",
  "devices/pump/events",
  "devices/pump/#",
  "constructor",
  "__proto__",
  "toString",
  "#",
  "+/+",
  "a/".repeat(120),
  "$SYS/#",
  "$share/x/y",
  "",
  "x\u0000y",
  "\ud800",
  "é\u{1f600}",
  "devices/pump/commands/+",
];

/** One packet that the codec can write, of hostile content. */
function hostile(random: Random): Packet {
  const topic = pick(random, names);
  const [messageId, qos] = [Math.floor(random() * 4), pick(random, [0, 1, 2] as const)];
  const options = { nl: random() < 0.1, rap: false, rh: 0 };
  const packets: Packet[] = [
    {
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: 5,
      clean: true,
      clientId: pick(random, ["", "pump", "__proto__", "x".repeat(70)]),
      keepalive: 10,
      properties: { sessionExpiryInterval: Math.floor(random() * 2 ** 32) },
    },
    { cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clean: random() < 0.5, clientId: "pump", keepalive: 0 },
    {
      cmd: "publish",
      topic,
      payload: "x".repeat(Math.floor(random() * 3_000)),
      qos,
      dup: qos > 0 && random() < 0.2,
      retain: random() < 0.1,
      messageId,
      properties: { topicAlias: Math.floor(random() * 12), responseTopic: pick(random, names) },
    },
    { cmd: "publish", topic, payload: "{}", qos, dup: false, retain: false, messageId },
    {
      cmd: "subscribe",
      messageId,
      subscriptions: [
        { topic, qos, ...options },
        { topic: pick(random, names), qos: 1, ...options },
      ],
      properties: { subscriptionIdentifier: Math.floor(random() * 300) },
    },
    { cmd: "unsubscribe", messageId, unsubscriptions: [topic] },
    { cmd: pick(random, ["puback", "pubrec", "pubrel", "pubcomp"] as const), messageId, reasonCode: pick(random, [0, 0x80, 0x92]) },
    { cmd: "pingreq" },
    { cmd: "disconnect", reasonCode: pick(random, [0, 4, 0x82]) },
  ];
  return pick(random, packets);
}

function hostileBytes(random: Random): Buffer {
  const version = random() < 0.7 ? 5 : 4;
  const first: Packet = { cmd: "connect", protocolId: "MQTT", protocolVersion: version, clean: true, clientId: "", keepalive: 10 };
  const packets = [
    ...(random() < 0.85 ? [first] : []),
    ...Array.from({ length: 1 + Math.floor(random() * 7) }, () => hostile(random)),
  ];
  const bytes = Buffer.concat(packets.map((packet) => written(packet, version)));
  for (let i = Math.floor(random() * 4); i > 0 && bytes.length > 0; i--)
    bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
  return random() < 0.1 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes;
}

/** The codec refuses to write some of this; what it refuses is left out. */
function written(packet: Packet, version: number): Buffer {
  try {
    return generate(packet, { protocolVersion: version });
  } catch {
    return Buffer.alloc(0);
  }
}

async function attack(world: LinksWorld, random: Random): Promise<void> {
  const [near, far] = duplexPair();
  near.on("error", () => {});
  if (random() < 0.8) near.resume();
  world.links.acceptStream(far, {
    device: random() < 0.5 ? "pump" : `pump-${Math.floor(random() * 1_000)}`,
    scope: defaultScope,
    fingerprint: "aa",
  });
  const bytes = hostileBytes(random);
  for (let at = 0; at < bytes.length; ) {
    const size = random() < 0.7 ? bytes.length : 1 + Math.floor(random() * 40);
    near.write(bytes.subarray(at, at + size));
    at += size;
    await turn();
  }
  for (let i = 0; i < 4; i++) await turn();
  if (random() < 0.3) far.destroy();
  near.destroy();
  far.destroy();
}

async function assertAlive(world: LinksWorld, seed: string): Promise<void> {
  const [near, far] = duplexPair();
  const heard: Buffer[] = [];
  near.on("data", (bytes: Buffer) => heard.push(bytes));
  world.links.acceptStream(far, { device: "alive", scope: defaultScope, fingerprint: "aa" });
  near.write(generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clean: true, clientId: "", keepalive: 10 }));
  near.write(
    generate({ cmd: "publish", topic: "devices/alive/telemetry", payload: "{}", qos: 1, dup: false, retain: false, messageId: 5 }),
  );
  for (let i = 0; i < 50 && !Buffer.concat(heard).includes(Buffer.from("40020005", "hex")); i++) await turn();
  assert.ok(Buffer.concat(heard).includes(Buffer.from("40020005", "hex")), `the endpoint no longer answers after ${seed}`);
  near.destroy();
  far.destroy();
  await turn();
}

test(`${runs} hostile connections neither kill the endpoint, nor silence it, nor stay behind`, async () => {
  const deaths: unknown[] = [];
  const died = (error: unknown) => void deaths.push(error);
  process.on("uncaughtException", died).on("unhandledRejection", died);
  await using world = await linksWorld({
    receive: () => ({ is: "stored" }),
    limits: { ratePerS: 1_000_000, burst: 1_000_000, connectBurst: 1_000_000 },
  });
  for (let run = 0; run < runs; run += atOnce) {
    const seeds = Array.from({ length: Math.min(atOnce, runs - run) }, (_, i) => `links ${run + i}`);
    await Promise.all(seeds.map((seed) => attack(world, seededRandom(seed))));
    await assertAlive(world, seeds.join(", "));
    assert.deepEqual(deaths, [], `died of one of: ${seeds.join(", ")}`);
    world.logged.length = 0;
    world.events.length = 0;
  }
  process.off("uncaughtException", died).off("unhandledRejection", died);
  await turn();
  assert.equal(world.links.count(), 0);
  assert.equal((await world.metrics.render()).match(/^tenfold_links_connections (\d+)/m)?.[1], "0");
});
