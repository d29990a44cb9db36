import assert from "node:assert/strict";
import { test } from "node:test";
import { generate, type Packet } from "mqtt-packet";
import { type Client, client, connect, last, linksWorld, pass, reasonOf } from "./testing.ts";

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

const toEverything = (device: string): Packet => ({
  cmd: "subscribe",
  messageId: 1,
  subscriptions: [{ topic: `devices/${device}/#`, qos: 1, nl: false, rap: false, rh: 0 }],
});
const told = (device: Client): string[] =>
  device.packets.flatMap((packet) =>
    packet.cmd === "publish" && packet.topic.endsWith("state/desired") ? [String(packet.payload)] : [],
  );

test("[M17] however often a document changes while it is read, and however slow that is, an older one never comes after a newer", async () => {
  const readings: PromiseWithResolvers<void>[] = [];
  await using world = await linksWorld({
    hasRead: async (topic) => {
      if (topic !== "state/desired") return;
      const reading = Promise.withResolvers<void>();
      readings.push(reading);
      await reading.promise;
    },
  });
  const change = (generation: number) => {
    world.documents.set("pump-1/state/desired", `${generation}`);
    return world.links.refresh("pump-1", "state/desired");
  };
  assert.equal(change(1), false, "nobody listens yet");
  await using device = client(world);
  await device.say(connect());
  await device.say(toEverything("pump-1"));
  assert.deepEqual([change(2), change(3)], [true, true]);
  await device.quiet();
  assert.equal(readings.length, 1, "one reading at a time");
  readings[0]?.resolve();
  await device.quiet();
  change(4);
  readings[1]?.resolve();
  await device.quiet();
  readings[2]?.resolve();
  await device.quiet();
  assert.deepEqual([told(device), readings.length], [["1", "3", "4"], 3]);
});

test("[M17] a change that cannot be read leaves the connection alone and is told as soon as it can be; a first document that cannot be read ends it", async () => {
  let broken = false;
  await using world = await linksWorld({
    limits: { rereadMs: 500 },
    hasRead: async () => {
      if (broken) throw new Error("The database is away.");
    },
  });
  world.documents.set("pump-1/state/desired", "1");
  await using device = client(world);
  await device.say(connect());
  await device.say(toEverything("pump-1"));
  broken = true;
  world.documents.set("pump-1/state/desired", "2");
  assert.equal(world.links.refresh("pump-1", "state/desired"), true);
  for (let i = 0; i < 3; i++) {
    await device.quiet();
    pass(world, 500);
  }
  const failures = world.logged.filter(({ event }) => event === "link.downlink_failed");
  assert.deepEqual([device.closed(), failures.length], [false, 1], "said once");
  await using other = client(world, { device: "pump-2" });
  await other.say(connect());
  await other.say(toEverything("pump-2"));
  assert.equal(reasonOf(other), 0x89);
  broken = false;
  await device.quiet();
  pass(world, 500);
  await device.quiet();
  assert.deepEqual(told(device), ["1", "2"]);
});
