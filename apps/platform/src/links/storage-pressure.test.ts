import assert from "node:assert/strict";
import { test } from "node:test";
import { generate, type Packet } from "mqtt-packet";
import { client, connect, last, linksWorld, pass, publish, reasonOf } from "./testing.ts";

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

test("[M15] while storage is behind, nobody more is let in to wait for it", async () => {
  await using world = await linksWorld({ limits: { maxTotalBytes: 0 } });
  await using device = client(world);
  await device.say(connect());
  assert.equal((last(device) as { reasonCode?: number }).reasonCode, 0x97);
});
