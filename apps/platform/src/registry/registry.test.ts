import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultScope, seconds } from "@tenfold/base";
import { heartbeatOf, operator, registryWorld, start } from "./testing.ts";

test("a device that was registered once is there, and registering it again changes nothing", async () => {
  await using w = await registryWorld();
  assert.equal(await w.add("pump-1", { site: "berlin" }), "created");
  assert.equal(await w.add("pump-1", { site: "oslo" }), "already");
  const device = await w.registry.get(defaultScope, "pump-1");
  assert.deepEqual([device?.lifecycle, device?.tags, device?.connectivity.is], ["active", { site: "berlin" }, "never_seen"]);
  assert.deepEqual(await w.registry.find("pump-1"), { id: "pump-1", scope: defaultScope, lifecycle: "active", trustLevel: 0 });
  assert.equal(await w.registry.get({ fleet: "other" }, "pump-1"), undefined);
});

test("a heartbeat makes a device online, silence makes it late and then offline", async () => {
  await using w = await registryWorld();
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
  await using w = await registryWorld();
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
  await using w = await registryWorld();
  await w.add("pump-1");
  const step = (to: "suspended" | "retired" | "active") =>
    w.registry.setLifecycle(defaultScope, "pump-1", { to, reason: "test", actor: operator });
  assert.equal((await step("suspended")).lifecycle, "suspended");
  await assert.rejects(step("suspended"), { code: "lifecycle_not_allowed" });
  await step("retired");
  await assert.rejects(step("active"), { code: "lifecycle_not_allowed" });
  assert.deepEqual(
    w.events.filter(({ type }) => type === "device.lifecycle_changed").map(({ data }) => data),
    [{ lifecycle: "suspended" }, { lifecycle: "retired" }],
  );
  assert.deepEqual(w.audited, ["device.suspended pump-1", "device.retired pump-1"]);
  await assert.rejects(w.registry.setLifecycle(defaultScope, "nobody", { to: "retired", reason: "x", actor: operator }), {
    code: "device_unknown",
  });
});

test("refused inputs are counted with their newest reason", async () => {
  await using w = await registryWorld();
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
  await using w = await registryWorld();
  await w.add("pump-1");
  await w.registry.recordContacts([
    { device: "ghost", at: start, heartbeat: heartbeatOf({}) },
    { device: "pump-1", at: start, heartbeat: heartbeatOf({ version: "1\u0000\ud800" }) },
  ]);
  assert.equal((await w.registry.select(defaultScope, "")).length, 1);
});

test("enrolling lets an expected device in, and lifts no suspension", async () => {
  await using w = await registryWorld();
  const inTransaction = <T>(run: Parameters<ReturnType<typeof w.db.transaction>["execute"]>[0]) =>
    w.db.transaction().execute(run) as Promise<T>;
  await inTransaction((tx) => w.registry.register(tx, defaultScope, { id: "pump-1", lifecycle: "expected" }));
  await assert.rejects(w.registry.setLifecycle(defaultScope, "pump-1", { to: "active", reason: "by hand", actor: operator }), {
    code: "lifecycle_not_allowed",
  });
  const activate = () => inTransaction<string>((tx) => w.registry.activate(tx, defaultScope, "pump-1", { trustLevel: 2 }));
  assert.equal(await activate(), "activated");
  assert.equal(await activate(), "already");
  assert.equal((await w.registry.find("pump-1"))?.trustLevel, 2);
  await w.registry.setLifecycle(defaultScope, "pump-1", { to: "suspended", reason: "stolen", actor: operator });
  await assert.rejects(activate(), { code: "lifecycle_not_allowed" });
});

test("an id belongs to one fleet", async () => {
  await using w = await registryWorld();
  await w.add("pump-1");
  await assert.rejects(
    w.db.transaction().execute((tx) => w.registry.register(tx, { fleet: "other" }, { id: "pump-1", lifecycle: "active" })),
    { code: "device_exists_elsewhere" },
  );
});

test("what a device reports about itself is merged once, in order, and never grows without bound", async () => {
  await using w = await registryWorld();
  await w.add("pump-1");
  const patches = [
    { device: "pump-1", at: start, patch: { a: 1, b: { c: 2, d: 3 } } },
    { device: "pump-1", at: start + 1, patch: { a: null, b: { d: 4 } } },
  ];
  await w.registry.recordReported(patches);
  await w.registry.recordReported([...patches, { device: "ghost", at: start, patch: {} }]);
  assert.deepEqual(await w.registry.reportedOf(defaultScope, "pump-1"), { b: { c: 2, d: 4 } });
  await w.registry.recordReported([{ device: "pump-1", at: start + 2, patch: { big: "x".repeat(70_000) } }]);
  assert.deepEqual(await w.registry.reportedOf(defaultScope, "pump-1"), { b: { c: 2, d: 4 } });
});
