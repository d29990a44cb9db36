import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { seededRandom } from "@tenfold/base";
import { generate, type Packet } from "mqtt-packet";
import { client, connect, last, linksWorld, pass, publish, reasonOf } from "./testing.ts";

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
