import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultScope, minutes, seconds } from "@tenfold/base";
import type { LiveEvent } from "@tenfold/contracts";
import { createBus, silentLog } from "../kernel/index.ts";
import { testDatabase } from "../kernel/testing.ts";
import { createRegistry } from "./index.ts";
import { heartbeatOf, operator, start } from "./testing.ts";

async function world() {
  const database = await testDatabase();
  let now = start;
  const clock = { now: () => now };
  const bus = createBus(clock);
  const events: LiveEvent[] = [];
  bus.subscribe((event) => void events.push(event));
  const audited: string[] = [];
  const registry = createRegistry({
    db: database.db,
    bus,
    clock,
    log: silentLog,
    audit: async (_tx, _scope, entry) => void audited.push(`${entry.action} ${entry.subject.id}`),
  });
  const add = (id: string, tags: Record<string, string> = {}) =>
    database.db.transaction().execute((tx) => registry.register(tx, defaultScope, { id, lifecycle: "active", tags }));
  return {
    database,
    registry,
    events,
    audited,
    add,
    pass: (ms: number) => (now += ms),
    clock,
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

test("a device that was registered once is there, and registering it again changes nothing", async () => {
  await using w = await world();
  assert.equal(await w.add("pump-1", { site: "berlin" }), "created");
  assert.equal(await w.add("pump-1", { site: "oslo" }), "already");
  const device = await w.registry.get(defaultScope, "pump-1");
  assert.deepEqual([device?.lifecycle, device?.tags, device?.connectivity.is], ["active", { site: "berlin" }, "never_seen"]);
  assert.deepEqual(await w.registry.find("pump-1"), { id: "pump-1", scope: defaultScope, lifecycle: "active", trustLevel: 0 });
  assert.equal(await w.registry.get({ fleet: "other" }, "pump-1"), undefined);
});

test("a heartbeat makes a device online, silence makes it late and then offline", async () => {
  await using w = await world();
  await w.add("pump-1");
  await w.registry.recordContacts([{ device: "pump-1", at: start, heartbeat: heartbeatOf({ leaseS: 60 }) }]);
  const status = async () => (await w.registry.get(defaultScope, "pump-1"))?.connectivity.is;
  assert.equal(await status(), "online");
  w.pass(seconds(60));
  assert.equal(await status(), "late");
  w.pass(seconds(60));
  assert.equal(await status(), "offline");
  assert.deepEqual(
    (await w.registry.select(defaultScope, "status:offline")).map(({ id }) => id),
    ["pump-1"],
  );
  await w.registry.recordContacts([{ device: "pump-1", at: w.clock.now() }]);
  assert.equal(await status(), "online");
});

test("a change of firmware is told once, also when the heartbeat comes twice", async () => {
  await using w = await world();
  await w.add("pump-1");
  const old = { device: "pump-1", at: start, heartbeat: heartbeatOf({ version: "1.0.0" }) };
  const newer = { device: "pump-1", at: start + 5_000, heartbeat: heartbeatOf({ version: "1.1.0" }) };
  await w.registry.recordContacts([old]);
  await w.registry.recordContacts([newer]);
  const before = await w.registry.get(defaultScope, "pump-1");
  await w.registry.recordContacts([old, newer]);
  assert.deepEqual(await w.registry.get(defaultScope, "pump-1"), before);
  const told = w.events.filter(({ type }) => type === "device.firmware_changed").map(({ data }) => data);
  assert.deepEqual(told, [
    { was: null, version: "1.0.0" },
    { was: "1.0.0", version: "1.1.0" },
  ]);
  assert.equal(before?.firmware?.version, "1.1.0");
});

test("suspending needs a way to go, is audited, and a retired device stays retired", async () => {
  await using w = await world();
  await w.add("pump-1");
  const step = (to: "suspended" | "retired" | "active") =>
    w.registry.setLifecycle(defaultScope, "pump-1", { to, reason: "test", actor: operator });
  assert.equal((await step("suspended")).lifecycle, "suspended");
  await assert.rejects(step("suspended"), { code: "lifecycle_not_allowed" });
  await step("retired");
  await assert.rejects(step("active"), { code: "lifecycle_not_allowed" });
  assert.deepEqual(w.audited, ["device.suspended pump-1", "device.retired pump-1"]);
  await assert.rejects(w.registry.setLifecycle(defaultScope, "nobody", { to: "retired", reason: "x", actor: operator }), {
    code: "device_unknown",
  });
});

test("refused inputs are counted with their newest reason", async () => {
  await using w = await world();
  await w.add("pump-1");
  await w.registry.recordRefusals([
    { device: "pump-1", at: start, reason: "too_large" },
    { device: "pump-1", at: start + 1, reason: "not_json" },
    { device: "ghost", at: start, reason: "x" },
  ]);
  const device = await w.registry.get(defaultScope, "pump-1");
  assert.deepEqual([device?.refusedInputs.count, device?.refusedInputs.lastReason], [2, "not_json"]);
});

test("a contact of a device that nobody registered makes no device and breaks no batch", async () => {
  await using w = await world();
  await w.add("pump-1");
  await w.registry.recordContacts([
    { device: "ghost", at: start, heartbeat: heartbeatOf({}) },
    { device: "pump-1", at: start, heartbeat: heartbeatOf({ version: "1\u0000\ud800" }) },
  ]);
  assert.equal((await w.registry.select(defaultScope, "")).length, 1);
  w.pass(minutes(1));
});
