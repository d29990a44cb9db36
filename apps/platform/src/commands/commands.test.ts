import assert from "node:assert/strict";
import { test } from "node:test";
import { days, defaultScope, minutes, seconds } from "@tenfold/base";
import { commandDocument } from "@tenfold/contracts";
import { type Audit, createAccess } from "../access/index.ts";
import { createBus, createHttp, type Database, silentLog } from "../kernel/index.ts";
import { testDatabase } from "../kernel/testing.ts";
import { createRegistry } from "../registry/index.ts";
import { createCommands } from "./index.ts";

const scope = defaultScope;
const operator = { kind: "person", id: "per_1", name: "Olga" } as const;

/** Commands over a database of their own; devices are connected when they stand in `connected`; only `pass` moves the clock. */
async function commandsWorld(devices: string[], { committed }: { committed?: () => Promise<void> } = {}) {
  const database = await testDatabase();
  let now = Date.UTC(2026, 9, 1);
  const clock = { now: () => now };
  const bus = createBus(clock);
  const changes: string[] = [];
  bus.subscribe(({ type, subject, data }) => void changes.push(`${type} ${subject} ${data.state ?? data.generation ?? ""}`));
  const db = committed ? afterCommit(database.db, committed) : database.db;
  const access = createAccess({ db, clock, log: silentLog });
  const audit: Audit = access.audit;
  const registry = createRegistry({ db, bus, clock, log: silentLog, audit });
  const connected = new Set<string>();
  const sent: { device: string; topic: string; payload: string }[] = [];
  const links: Promise<void>[] = [];
  const tell = async (device: string, topic: string) => {
    const payload = (await commands.desired([device], scope)).get(device);
    if (payload !== undefined) sent.push({ device, topic, payload });
  };
  const commands = createCommands({
    db,
    registry,
    send(device, message) {
      if (!connected.has(device)) return false;
      sent.push({ device, ...message });
      return true;
    },
    refresh(device, topic) {
      if (connected.has(device)) links.push(tell(device, topic));
      return connected.has(device);
    },
    audit,
    bus,
    clock,
    log: silentLog,
  });
  const identity = { actor: operator, role: "admin", scope } as const;
  const app = await createHttp({ log: silentLog, authenticate: async () => identity, version: "0.0.0", answers: "validate" });
  commands.routes(app);
  for (const id of devices)
    await db.transaction().execute((tx) => registry.register(tx, scope, { id, lifecycle: "active", tags: { site: "berlin" } }));
  async function call(method: "GET" | "POST" | "PATCH" | "PUT", path: string, body?: Record<string, unknown>) {
    const answer = await app.inject({ method, url: `/api/v1${path}`, ...(body && { payload: body }) });
    return { status: answer.statusCode, body: answer.json() };
  }
  return {
    commands,
    connected,
    sent,
    changes,
    call,
    registry,
    pass: (ms: number) => {
      now += ms;
    },
    now: () => now,
    /** Looks, and waits until what was told of has reached the devices. */
    async reconcile() {
      await commands.reconcile();
      await Promise.all(links.splice(0));
    },
    verifyAudit: () => access.verifyAudit(),
    /** Gives one command; its id. */
    async give(device: string, wish: Record<string, unknown> = {}): Promise<string> {
      const { status, body } = await call("POST", "/commands", { device, name: "identify", reason: "test", ...wish });
      assert.equal(status, 201, JSON.stringify(body));
      return body.items[0].id;
    },
    show: async (id: string) => (await call("GET", `/commands/${id}`)).body,
    async [Symbol.asyncDispose]() {
      await commands.stop();
      await app.close();
      await database[Symbol.asyncDispose]();
    },
  };
}

const succeeded = { status: "succeeded" } as const;

test("a command is queued, sent, delivered and done, and each step says why and is told live", async () => {
  await using world = await commandsWorld(["pump-1"]);
  const id = await world.give("pump-1", { args: { seconds: 5 } });
  assert.equal((await world.show(id)).state, "queued");
  world.connected.add("pump-1");
  await world.reconcile();
  const document = commandDocument.parse(JSON.parse(world.sent[0]?.payload ?? ""));
  assert.deepEqual(document, { command: id, name: "identify", args: { seconds: 5 }, deadlineS: 300 });
  assert.equal(world.sent[0]?.topic, `commands/${id}`);
  assert.equal((await world.show(id)).state, "sent");
  world.pass(seconds(1));
  await world.commands.observeDeliveries([{ scope, device: "pump-1", command: id, at: world.now() }]);
  const delivered = await world.show(id);
  assert.deepEqual([delivered.state, delivered.because], ["delivered", "The device has it and has not answered yet."]);
  const result = { ...succeeded, output: { blinked: 3 } };
  await world.commands.observeResults([{ scope, device: "pump-1", command: id, result, at: world.now() }]);
  const done = await world.show(id);
  assert.deepEqual([done.state, done.because, done.result.output], ["succeeded", "The device did it after 1 s.", { blinked: 3 }]);
  assert.deepEqual(
    world.changes.filter((change) => change.startsWith("command.changed")),
    ["queued", "sent", "delivered", "succeeded"].map((state) => `command.changed pump-1 ${state}`),
  );
  assert.equal((await world.verifyAudit()).intact, true);
});

test("silence past the deadline is expired; a result after it is kept beside and changes nothing", async () => {
  await using world = await commandsWorld(["pump-1"]);
  const id = await world.give("pump-1", { deadline: "PT1M" });
  await world.reconcile();
  world.pass(minutes(1) + seconds(1));
  await world.reconcile();
  assert.equal((await world.show(id)).state, "queued", "a result in time may still be on its way");
  world.pass(seconds(1));
  await world.reconcile();
  const expired = await world.show(id);
  assert.deepEqual([expired.state, expired.because], ["expired", "The device was not connected before the deadline."]);
  await world.commands.observeResults([{ scope, device: "pump-1", command: id, result: succeeded, at: world.now() }]);
  const late = await world.show(id);
  assert.deepEqual([late.state, late.result.late], ["expired", true]);
  assert.match(late.because, /too late/);
});

test("a result that was here in time counts although the loop had given the command up", async () => {
  await using world = await commandsWorld(["pump-1"]);
  const id = await world.give("pump-1", { deadline: "PT1M" });
  const inTime = world.now() + minutes(1);
  world.pass(minutes(2));
  await world.reconcile();
  assert.equal((await world.show(id)).state, "expired");
  await world.commands.observeResults([{ scope, device: "pump-1", command: id, result: succeeded, at: inTime }]);
  assert.equal((await world.show(id)).state, "succeeded");
});

test("the first result stands, in whatever order and however often batches come; another device's word counts nothing", async () => {
  await using world = await commandsWorld(["pump-1", "pump-2"]);
  const id = await world.give("pump-1");
  const say = (device: string, status: "succeeded" | "failed") => ({
    scope,
    device,
    command: id,
    result: { status },
    at: world.now(),
  });
  await world.commands.observeResults([say("pump-2", "failed")]);
  assert.equal((await world.show(id)).state, "queued");
  await world.commands.observeResults([say("pump-1", "failed"), say("pump-1", "succeeded")]);
  await world.commands.observeResults([say("pump-1", "succeeded")]);
  await world.commands.observeDeliveries([{ scope, device: "pump-1", command: id, at: world.now() }]);
  const shown = await world.show(id);
  assert.deepEqual([shown.state, shown.result.status], ["failed", "failed"]);
});

test("what has no result is what a device is given when it begins to listen, delivered or not, oldest first", async () => {
  await using world = await commandsWorld(["pump-1"]);
  const ids = [];
  for (const name of ["identify", "report-now", "reboot"]) {
    ids.push(await world.give("pump-1", { name }));
    world.pass(5);
  }
  await world.commands.observeDeliveries([{ scope, device: "pump-1", command: ids[0] ?? "", at: world.now() }]);
  await world.call("POST", `/commands/${ids[2]}/cancel`, { reason: "not that one" });
  const waiting = await world.commands.pending("pump-1", scope);
  assert.deepEqual(
    waiting.map(({ topic }) => topic),
    [`commands/${ids[0]}`, `commands/${ids[1]}`],
  );
  assert.deepEqual([(await world.show(ids[0] ?? "")).state, (await world.show(ids[1] ?? "")).state], ["delivered", "sent"]);
  const again = await world.call("POST", `/commands/${ids[2]}/cancel`, { reason: "twice" });
  assert.deepEqual([again.status, again.body.code], [409, "command_ended"]);
});

test("a command that is not acknowledged is sent again, less and less often; one that is, is not", async () => {
  await using world = await commandsWorld(["pump-1"]);
  world.connected.add("pump-1");
  const id = await world.give("pump-1", { deadline: "P1D" });
  for (const pause of [0, 9, 1, 19, 1]) {
    world.pass(seconds(pause));
    await world.reconcile();
  }
  assert.equal(world.sent.length, 3);
  await world.commands.observeDeliveries([{ scope, device: "pump-1", command: id, at: world.now() }]);
  world.pass(minutes(30));
  await world.reconcile();
  world.pass(minutes(30));
  await world.reconcile();
  assert.equal(world.sent.length, 3);
});

test("two loops that run at once send each command once", async () => {
  await using world = await commandsWorld(Array.from({ length: 40 }, (_, i) => `pump-${i}`));
  for (let i = 0; i < 40; i++) world.connected.add(`pump-${i}`);
  const { body } = await world.call("POST", "/commands", { filter: "tag:site=berlin", name: "report-now", reason: "test" });
  assert.deepEqual([body.devices, body.items.length], [40, 40]);
  await Promise.all([world.commands.reconcile(), world.commands.reconcile(), world.commands.reconcile()]);
  assert.equal(new Set(world.sent.map(({ device }) => device)).size, 40);
  assert.equal(world.sent.length, 40);
  const batch = (await world.call("GET", `/command-batches/${body.batch}`)).body;
  assert.deepEqual([batch.devices, batch.pending, batch.counts], [40, 40, { sent: 40 }]);
  const page = (await world.call("GET", `/commands?batch=${body.batch}&limit=30`)).body;
  const rest = (await world.call("GET", `/commands?batch=${body.batch}&limit=30&cursor=${page.nextCursor}`)).body;
  assert.deepEqual([page.items.length, rest.items.length, rest.nextCursor], [30, 10, undefined]);
});

test("a command that cannot be carried out is refused with a reason", async () => {
  await using world = await commandsWorld(["pump-1", "pump-2"]);
  await world.registry.setLifecycle(scope, "pump-2", { to: "suspended", reason: "test", actor: operator });
  const given = async (wish: Record<string, unknown>) => {
    const { status, body } = await world.call("POST", "/commands", { name: "reboot", reason: "test", ...wish });
    return [status, body.code];
  };
  assert.deepEqual(await given({ device: "nobody" }), [404, "device_unknown"]);
  assert.deepEqual(await given({ device: "pump-2" }), [409, "command_device_not_active"]);
  assert.deepEqual(await given({}), [422, "command_target_invalid"]);
  assert.deepEqual(await given({ device: "pump-1", filter: "tag:site=berlin" }), [422, "command_target_invalid"]);
  assert.deepEqual(await given({ filter: "tag:site=paris" }), [422, "command_target_invalid"]);
  assert.deepEqual(await given({ device: "pump-1", deadline: "P31D" }), [422, "command_deadline_invalid"]);
  assert.deepEqual(await given({ device: "pump-1", args: { a: "x".repeat(9_000) } }), [413, "document_too_large"]);
  assert.deepEqual(await given({ device: "pump-1", args: { a: "\u0000" } }), [422, "document_not_text"]);
  for (let i = 0; i < 32; i++) await world.give("pump-1");
  assert.deepEqual(await given({ device: "pump-1" }), [409, "command_queue_full"]);
});

test("a desired state has a generation, refuses who was overtaken, and converges when the device says so", async () => {
  await using world = await commandsWorld(["pump-1"]);
  world.connected.add("pump-1");
  const path = "/devices/pump-1/desired-state";
  assert.equal((await world.call("GET", "/devices/pump-1/state")).body.convergence.is, "nothing_desired");
  assert.equal((await world.commands.desired(["pump-1"], scope)).size, 0);
  const first = await world.call("PUT", path, { state: { heartbeatS: 30, led: "on" }, expectedGeneration: 0, reason: "first" });
  assert.deepEqual([first.status, first.body.desired.generation, first.body.convergence.is], [200, 1, "waiting"]);
  const overtaken = await world.call("PATCH", path, { patch: { led: null }, expectedGeneration: 0, reason: "too late" });
  assert.deepEqual([overtaken.status, overtaken.body.code], [409, "desired_generation_conflict"]);
  const second = await world.call("PATCH", path, { patch: { led: null }, expectedGeneration: 1, reason: "no light" });
  assert.deepEqual(second.body.desired.state, { heartbeatS: 30 });
  await world.call("PATCH", path, { patch: { heartbeatS: 30 }, reason: "changes nothing" });
  await world.reconcile();
  assert.deepEqual(JSON.parse(world.sent.at(-1)?.payload ?? ""), { generation: 2, state: { heartbeatS: 30 } });
  assert.equal((await world.commands.desired(["pump-1"], scope)).get("pump-1"), world.sent.at(-1)?.payload);
  world.pass(seconds(1));
  await world.commands.observeReported([
    { scope, device: "pump-1", at: world.now(), patch: { desired: { generation: 2, refused: ["heartbeatS"] } } },
  ]);
  assert.equal((await world.call("GET", "/devices/pump-1/state")).body.convergence.is, "partly");
  world.pass(seconds(1));
  await world.commands.observeReported([{ scope, device: "pump-1", at: world.now(), patch: { desired: { generation: 2 } } }]);
  const { body } = await world.call("GET", "/devices/pump-1/state");
  assert.deepEqual([body.convergence.is, body.convergence.appliedGeneration], ["converged", 2]);
  const { items } = (await world.call("GET", `${path}/changes`)).body;
  assert.deepEqual(
    items.map(({ generation, mode, reason, by }: Record<string, unknown>) => [generation, mode, reason, by]),
    [
      [2, "merge", "no light", "Olga"],
      [1, "replace", "first", "Olga"],
    ],
  );
  const sends = world.sent.length;
  world.pass(days(1));
  await world.reconcile();
  assert.equal(world.sent.length, sends, "what is followed is not sent again");
});

test("a desired state is sent again until the device follows, and a device from the future is brought back", async () => {
  await using world = await commandsWorld(["pump-1"]);
  world.connected.add("pump-1");
  await world.call("PUT", "/devices/pump-1/desired-state", { state: { a: 1 }, reason: "test" });
  await world.reconcile();
  world.pass(minutes(1));
  await world.reconcile();
  assert.equal(world.sent.length, 2);
  await world.commands.observeReported([{ scope, device: "pump-1", at: world.now(), patch: { desired: { generation: 9 } } }]);
  await world.reconcile();
  assert.deepEqual(JSON.parse(world.sent.at(-1)?.payload ?? ""), { generation: 10, state: { a: 1 } });
});

test("a desired state that changes after the loop has looked and before it tells is not told in its older form", async () => {
  let commits = Number.NaN;
  await using world = await commandsWorld(["pump-1"], {
    async committed() {
      commits += 1;
      // The loop's first is about commands, its second about desired states.
      if (commits === 2) await world.call("PUT", path, { state: { a: 2 }, reason: "test" });
    },
  });
  const path = "/devices/pump-1/desired-state";
  world.connected.add("pump-1");
  assert.equal((await world.call("PUT", path, { state: { a: 1 }, reason: "test" })).status, 200);
  commits = 0;
  await world.reconcile();
  assert.deepEqual(
    world.sent.map(({ payload }) => JSON.parse(payload)),
    [{ generation: 2, state: { a: 2 } }],
  );
});

test("changing many desired states changes all or none, and says how many", async () => {
  await using world = await commandsWorld(["pump-1", "pump-2", "pump-3"]);
  const change = { filter: "tag:site=berlin", mode: "merge", document: { mode: "eco" }, reason: "night" };
  assert.deepEqual((await world.call("POST", "/desired-state-changes", change)).body, { devices: 3, changed: 3 });
  assert.deepEqual((await world.call("POST", "/desired-state-changes", change)).body, { devices: 3, changed: 0 });
  await world.call("PUT", "/devices/pump-2/desired-state", { state: { big: "x".repeat(30_000) }, reason: "test" });
  const tooMuch = { ...change, document: { more: "y".repeat(10_000) } };
  assert.equal((await world.call("POST", "/desired-state-changes", tooMuch)).status, 413);
  assert.equal((await world.call("GET", "/devices/pump-1/state")).body.desired.generation, 1);
});

/** The same database; `committed` happens after each transaction that is committed, before whoever asked for it hears so. */
function afterCommit(db: Database, committed: () => Promise<void>): Database {
  const transaction = () => {
    const begun = db.transaction();
    const execute: typeof begun.execute = async (work) => {
      const result = await begun.execute(work);
      await committed();
      return result;
    };
    return { ...begun, execute };
  };
  return new Proxy(db, {
    get(target, name) {
      const member: unknown = name === "transaction" ? transaction : Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}
