import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { defaultScope, seededRandom } from "@tenfold/base";
import { generate, type Packet, parser } from "mqtt-packet";
import { tickMs } from "./limits.ts";
import { type LinksWorld, linksWorld } from "./testing.ts";

type Client = AsyncDisposable & {
  packets: Packet[];
  closed(): boolean;
  write(bytes: Buffer): void;
  say(packet: Packet): Promise<void>;
  quiet(): Promise<void>;
};

/** A client over a stream in memory, admitted as `pump-1` or another; what it is told is read by the codec. */
function client(world: LinksWorld, { version = 5, reads = true, device = "pump-1" } = {}): Client {
  const [near, far] = duplexPair();
  const codec = parser({ protocolVersion: version });
  const packets: Packet[] = [];
  let closed = false;
  codec.on("packet", (packet) => packets.push(packet));
  if (reads) near.on("data", (bytes: Buffer) => codec.parse(bytes));
  const end = () => {
    closed = true;
  };
  near.on("end", end).on("close", end);
  near.on("error", () => {});
  world.links.acceptStream(far, { device, scope: defaultScope, fingerprint: "aa" });
  const quiet = async () => {
    for (let i = 0; i < 12; i++) await turn();
  };
  return {
    packets,
    closed: () => closed,
    write: (bytes) => void near.write(bytes),
    quiet,
    async say(packet) {
      near.write(generate(packet, { protocolVersion: version }));
      await quiet();
    },
    async [Symbol.asyncDispose]() {
      near.destroy();
      far.destroy();
      await quiet();
    },
  };
}

const connect = (more: object = {}): Packet => ({
  cmd: "connect",
  protocolId: "MQTT",
  protocolVersion: 5,
  clean: true,
  clientId: "",
  keepalive: 60,
  ...more,
});
const publish = (messageId: number, payload: Buffer | string = "{}"): Packet => ({
  cmd: "publish",
  topic: "devices/pump-1/telemetry",
  payload,
  qos: 1,
  dup: false,
  retain: false,
  messageId,
});
const last = (from: Client): Packet | undefined => from.packets.at(-1);
const reasonOf = (from: Client) =>
  (from.packets.findLast(({ cmd }) => cmd === "disconnect") as { reasonCode?: number } | undefined)?.reasonCode;
const pass = (world: LinksWorld, ms: number) => {
  for (let i = 0; i <= Math.ceil(ms / tickMs); i++) world.links.tick();
};

test("[M2] a connection that does not say CONNECT in time is closed, and so is one that never ends it", async () => {
  await using world = await linksWorld({ limits: { connectMs: 5_000 } });
  await using silent = client(world);
  await using slow = client(world);
  slow.write(Buffer.from("10", "hex"));
  pass(world, 5_000);
  await silent.quiet();
  assert.deepEqual([silent.closed(), slow.closed()], [true, true]);
});

test("[M2] a first packet is refused by its declared length, before a byte of it is kept", async () => {
  await using world = await linksWorld({ limits: { firstPacketBytes: 2_048 } });
  await using big = client(world);
  big.write(Buffer.from([0x10, 0x80, 0x80, 0x80, 0x01]));
  await big.quiet();
  assert.equal(big.closed(), true);
  assert.ok(world.logged.some(({ event, because }) => event === "link.refused" && because === "packet_too_large"));
});

test("[M16] a packet larger than allowed ends the connection with 0x95", async () => {
  await using world = await linksWorld({ limits: { maxPacketBytes: 4_096 } });
  await using device = client(world);
  await device.say(connect());
  await device.say(publish(1, Buffer.alloc(4_000)));
  assert.equal(world.stored.length, 1);
  device.write(Buffer.from([0x32, 0x81, 0x40]));
  await device.quiet();
  assert.equal(reasonOf(device), 0x95);
});

test("a packet that arrives byte by byte is read like any other", async () => {
  await using world = await linksWorld();
  await using device = client(world);
  await device.say(connect());
  const payload = Buffer.alloc(3_000, 7);
  for (const byte of generate(publish(9, payload), { protocolVersion: 5 })) device.write(Buffer.from([byte]));
  await device.quiet();
  while (world.stored.length === 0) await turn();
  assert.deepEqual(world.stored[0]?.payload, payload);
});

test("[M18] a device is silent for one and a half times its keep-alive, then its connection is closed; 0 is given a limit too", async () => {
  await using world = await linksWorld({ limits: { maxKeepAliveS: 100 } });
  await using device = client(world);
  await device.say(connect({ keepalive: 0 }));
  pass(world, 149_000);
  await device.say({ cmd: "pingreq" });
  assert.equal(last(device)?.cmd, "pingresp");
  pass(world, 149_000);
  await device.quiet();
  assert.equal(device.closed(), false);
  pass(world, 2_000);
  await device.quiet();
  assert.equal(reasonOf(device), 0x8d);
});

test("[M15] a device that sends faster than its pace is read more slowly; nothing of it is lost and it stays connected", async () => {
  await using world = await linksWorld({ limits: { ratePerS: 40, burst: 5 } });
  await using device = client(world);
  await device.say(connect());
  for (let id = 1; id <= 30; id++) device.write(generate(publish(id), { protocolVersion: 5 }));
  await device.quiet();
  assert.equal(world.stored.length, 5);
  pass(world, 250);
  await device.quiet();
  assert.ok(world.stored.length > 5 && world.stored.length < 30, String(world.stored.length));
  for (let i = 0; i < 10; i++) {
    pass(world, 250);
    await device.quiet();
  }
  assert.equal(world.stored.length, 30);
  assert.equal(device.packets.filter(({ cmd }) => cmd === "puback").length, 30);
  assert.equal(device.closed(), false);
});

test("[M15] more unacknowledged messages than the Receive Maximum end a version 5 connection; a 3.1.1 socket is left unread", async () => {
  const storing = Promise.withResolvers<undefined>();
  await using world = await linksWorld({ limits: { receiveMaximum: 3, maxUnderWay: 3 }, receive: () => storing.promise });
  await using five = client(world);
  await five.say(connect());
  for (let id = 1; id <= 3; id++) await five.say(publish(id));
  assert.equal(five.closed(), false);
  await using three = client(world, { version: 4 });
  await three.say(connect({ protocolVersion: 4 }));
  assert.equal(reasonOf(five), 0x8e);
  for (let id = 1; id <= 9; id++) await three.say(publish(id));
  assert.equal(three.closed(), false);
  storing.resolve(undefined);
  await three.quiet();
  await three.quiet();
  assert.equal(three.packets.filter(({ cmd }) => cmd === "puback").length, 9);
});

test("[M15] a fourth message above a Receive Maximum of three is answered with 0x93", async () => {
  await using world = await linksWorld({
    limits: { receiveMaximum: 3 },
    receive: () => Promise.withResolvers<undefined>().promise,
  });
  const device = client(world);
  await device.say(connect());
  for (let id = 1; id <= 4; id++) await device.say(publish(id));
  assert.equal(reasonOf(device), 0x93);
  await device[Symbol.asyncDispose]();
});

test("[M21] when storage owes an answer for too long, the connection is closed and the device sends again", async () => {
  await using world = await linksWorld({ limits: { storeMs: 10_000 }, receive: () => Promise.withResolvers<undefined>().promise });
  await using device = client(world);
  await device.say(connect());
  await device.say(publish(1));
  pass(world, 10_250);
  await device.quiet();
  assert.equal(reasonOf(device), 0x89);
  assert.equal(
    device.packets.some(({ cmd }) => cmd === "puback"),
    false,
  );
});

test("[M15] bytes under way of all devices together have a bound; above it no socket is read until storage has caught up", async () => {
  const storing = Promise.withResolvers<undefined>();
  await using world = await linksWorld({ limits: { maxTotalBytes: 1_000 }, receive: () => storing.promise });
  await using device = client(world);
  await device.say(connect());
  for (let id = 1; id <= 4; id++) device.write(generate(publish(id, Buffer.alloc(600)), { protocolVersion: 5 }));
  await device.quiet();
  storing.resolve(undefined);
  await device.quiet();
  pass(world, 250);
  await device.quiet();
  assert.equal(world.stored.length, 4);
});

test("[M15] a device whose messages storage does not answer, and one that reads nothing, delay nobody else", async () => {
  const never = new Promise<undefined>(() => {});
  await using world = await linksWorld({ receive: ({ device }) => (device === "stuck" ? never : undefined) });
  await using stuck = client(world, { device: "stuck" });
  await using deaf = client(world, { device: "deaf", reads: false });
  await using other = client(world);
  for (const each of [stuck, deaf, other]) await each.say(connect());
  for (let id = 1; id <= 200; id++) {
    for (const [each, device] of [
      [stuck, "stuck"],
      [deaf, "deaf"],
    ] as const)
      each.write(generate({ ...publish(id), topic: `devices/${device}/telemetry` } as Packet, { protocolVersion: 5 }));
  }
  for (let id = 1; id <= 50; id++) {
    await other.say(publish(id));
    assert.deepEqual([last(other)?.cmd, last(other)?.messageId], ["puback", id]);
  }
});

test("[M12] messages that become durable together are acknowledged together, in the order in which they came", async () => {
  const written = Promise.withResolvers<undefined>();
  await using world = await linksWorld({ receive: () => written.promise });
  await using device = client(world);
  await device.say(connect());
  for (let id = 20; id >= 1; id--) device.write(generate(publish(id), { protocolVersion: 5 }));
  await device.quiet();
  assert.equal(device.packets.length, 1, "only CONNACK so far");
  written.resolve(undefined);
  await device.quiet();
  const acknowledged = device.packets.slice(1).map(({ messageId }) => messageId);
  assert.deepEqual(
    acknowledged,
    Array.from({ length: 20 }, (_, i) => 20 - i),
  );
});

test("[M8] a device may hold twenty subscriptions, and only to topics sent to it", async () => {
  await using world = await linksWorld({ limits: { maxSubscriptions: 2 } });
  await using device = client(world);
  await device.say(connect());
  const topics = [
    "devices/pump-1/state/desired",
    "devices/pump-1/commands/+",
    "devices/pump-1/deployments/next",
    "devices/pump-10/#",
    "devices/+/commands/+",
    "#",
    "$SYS/#",
    "$share/g/devices/pump-1/#",
    "devices/pump-1/telemetry",
  ];
  await device.say({
    cmd: "subscribe",
    messageId: 1,
    subscriptions: topics.map((topic) => ({ topic, qos: 1, nl: false, rap: false, rh: 0 })),
  });
  assert.deepEqual((last(device) as { granted?: number[] }).granted, [1, 1, 0x97, 0x87, 0x87, 0x87, 0x87, 0x9e, 0x87]);
});

test("[M21] a device that does not read what it is sent is closed before it costs memory", async () => {
  await using world = await linksWorld({ limits: { maxUnreadBytes: 64 * 1_024 } });
  await using device = client(world, { reads: false });
  device.write(generate(connect(), { protocolVersion: 5 }));
  await device.quiet();
  device.write(
    generate(
      { cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "devices/pump-1/#", qos: 0, nl: false, rap: false, rh: 0 }] },
      { protocolVersion: 5 },
    ),
  );
  await device.quiet();
  for (let i = 0; i < 10 && world.links.connected("pump-1"); i++) {
    world.links.send("pump-1", { topic: `commands/c${i}`, payload: "x".repeat(32 * 1_024) });
    await device.quiet();
  }
  assert.equal(world.links.connected("pump-1"), false);
  assert.ok(world.logged.some(({ because }) => because === "slow_reader"));
});

test("at the limit of connections a further device is told to try again", async () => {
  await using world = await linksWorld({ limits: { maxConnections: 0 } });
  await using device = client(world);
  await device.say(connect());
  assert.equal((last(device) as { reasonCode?: number }).reasonCode, 0x97);
});

test("[M16] a topic alias stands for its topic; one that was never set, or is too large, ends the connection", async () => {
  await using world = await linksWorld({ limits: { topicAliasMaximum: 2 } });
  const alias = (topic: string, topicAlias: number): Packet => ({ ...publish(1), topic, properties: { topicAlias } }) as Packet;
  await using device = client(world);
  await device.say(connect());
  await device.say(alias("devices/pump-1/events", 2));
  await device.say(alias("", 2));
  assert.deepEqual(
    world.stored.map(({ channel }) => channel),
    ["events", "events"],
  );
  await device.say(alias("", 1));
  assert.equal(reasonOf(device), 0x82);
  await using other = client(world);
  await other.say(connect());
  await other.say(alias("devices/pump-1/events", 3));
  assert.equal(reasonOf(other), 0x94);
});

test("[M17] no more documents are on the way to a device than it takes at once, and the newest of a topic wins", async () => {
  await using world = await linksWorld();
  await using device = client(world);
  await device.say(connect({ properties: { receiveMaximum: 1 } }));
  await device.say({
    cmd: "subscribe",
    messageId: 1,
    subscriptions: [{ topic: "devices/pump-1/#", qos: 1, nl: false, rap: false, rh: 0 }],
  });
  for (const payload of ["1", "2", "3"]) {
    world.documents.set("pump-1/state/desired", payload);
    world.links.refresh("pump-1", "state/desired");
    await device.quiet();
  }
  const down = () => device.packets.flatMap((packet) => (packet.cmd === "publish" ? [String(packet.payload)] : []));
  assert.deepEqual(down(), ["1"]);
  await device.say({ cmd: "puback", messageId: 1 });
  assert.deepEqual(down(), ["1", "3"]);
});

test("contact is told on connecting and then at most every so often", async () => {
  await using world = await linksWorld({ limits: { contactMs: 10_000 } });
  await using device = client(world);
  await device.say(connect());
  for (let id = 1; id <= 3; id++) await device.say(publish(id));
  assert.equal(world.contacts.length, 1);
  pass(world, 10_000);
  await device.say(publish(4));
  assert.deepEqual(world.contacts, ["pump-1", "pump-1"]);
});

test("bytes cut at random places are read as the same packets", async () => {
  await using world = await linksWorld();
  const random = seededRandom("cuts");
  await using device = client(world);
  await device.say(connect());
  const bytes = Buffer.concat(
    Array.from({ length: 50 }, (_, i) =>
      generate(publish(i + 1, `${i}`.padEnd(Math.floor(random() * 300), ".")), { protocolVersion: 5 }),
    ),
  );
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + Math.floor(random() * 90);
    device.write(bytes.subarray(at, at + size));
    at += size;
  }
  while (world.stored.length < 50) await turn();
  assert.deepEqual(
    world.stored.map(({ payload }) => Number.parseInt(payload.toString(), 10)),
    Array.from({ length: 50 }, (_, i) => i),
  );
});

test("[M23] a device is told over how long to spread its coming back, when it is let in and when it is not", async () => {
  await using world = await linksWorld({ limits: { reconnectWithinS: 45, connectBurst: 1, connectsPerS: 0 } });
  await using first = client(world);
  await first.say(connect());
  await using second = client(world);
  await second.say(connect());
  const told = [first, second].map(({ packets: [connack] }) => connack as { reasonCode?: number; properties?: object });
  assert.deepEqual(
    told.map(({ reasonCode, properties }) => [reasonCode, { ...(properties as { userProperties?: object })?.userProperties }]),
    [
      [0, { reconnectWithinS: "45" }],
      [0x9f, { reconnectWithinS: "45" }],
    ],
  );
});

test("[M15] while storage is behind, nobody more is let in to wait for it", async () => {
  await using world = await linksWorld({ limits: { maxTotalBytes: 0 } });
  await using device = client(world);
  await device.say(connect());
  assert.equal((last(device) as { reasonCode?: number }).reasonCode, 0x97);
});

test("[M18] a device that owes an acknowledgement and says nothing is taken for gone long before its keep-alive ends", async () => {
  await using world = await linksWorld({ limits: { maxUnansweredMs: 10_000 } });
  await using device = client(world);
  await device.say(connect({ keepalive: 1_000 }));
  const subscriptions = [{ topic: "devices/pump-1/#", qos: 1 as const, nl: false, rap: false, rh: 0 }];
  await device.say({ cmd: "subscribe", messageId: 1, subscriptions });
  pass(world, 60_000);
  world.links.send("pump-1", { topic: "commands/c1", payload: "1" });
  pass(world, 9_000);
  await device.say({ cmd: "pingreq" });
  pass(world, 9_000);
  assert.equal(device.closed(), false);
  pass(world, 1_500);
  await device.quiet();
  assert.equal(reasonOf(device), 0x8d);
});

test("[M24] user properties count a message; what cannot be read is acknowledged as refused", async () => {
  await using world = await linksWorld();
  await using device = client(world);
  await device.say(connect());
  const counted = (userProperties: Record<string, string>) => ({ ...publish(1), properties: { userProperties } }) as Packet;
  await device.say(counted({ seq: "9", boot: "b-1", other: "x" }));
  await device.say(counted({ other: "x" }));
  assert.deepEqual(
    world.stored.map(({ sequence }) => sequence),
    [{ boot: "b-1", seq: 9 }, undefined],
  );
  await device.say(counted({ seq: "-9", boot: "b-1" }));
  assert.equal((last(device) as { reasonCode?: number }).reasonCode, 0x99);
  assert.equal(world.stored.length, 2);
});
