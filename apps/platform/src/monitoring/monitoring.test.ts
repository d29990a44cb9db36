import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultScope, minutes, seconds } from "@tenfold/base";
import { heartbeatOf, registryWorld, start } from "../registry/testing.ts";
import { type ArtifactCondition, createMonitoring, monitoringRoutes, type RolloutCondition } from "./index.ts";

async function world(fleetSize: number) {
  const registry = await registryWorld();
  const halted: RolloutCondition[] = [];
  const damaged: ArtifactCondition[] = [];
  const sources = { rollouts: async () => halted, artifacts: async () => damaged };
  const boot = () => createMonitoring({ ...registry, sources });
  let monitoring = boot();
  monitoringRoutes(registry.app, monitoring.deps);
  await monitoring.prepare();
  const ids = Array.from({ length: fleetSize }, (_, i) => `pump-${String(i).padStart(3, "0")}`);
  await registry.db.transaction().execute(async (tx) => {
    for (const [i, id] of ids.entries()) {
      await registry.registry.register(tx, defaultScope, { id, lifecycle: "active", tags: { site: i < 30 ? "berlin" : "oslo" } });
    }
  });
  const speak = (devices: readonly string[]) =>
    registry.registry.recordContacts(
      devices.map((device) => ({ device, at: registry.clock.now(), heartbeat: heartbeatOf({ leaseS: 60 }) })),
    );
  /** Time goes by in steps of 10 s, each with a pass of the rules; `speaking` devices send a heartbeat at each. */
  const live = async (length: number, speaking: readonly string[]) => {
    for (let gone = 0; gone < length; gone += seconds(10)) {
      registry.pass(seconds(10));
      await speak(speaking);
      await monitoring.judgeNow();
    }
  };
  const alerts = async (query = "") => (await registry.call("GET", `/alerts${query}`)).body.items;
  const titles = async (query = "?state=firing") => (await alerts(query)).map((alert: { title: string }) => alert.title);
  await speak(ids);
  await monitoring.judgeNow();
  return {
    ...registry,
    ids,
    halted,
    damaged,
    live,
    alerts,
    titles,
    restart: () => {
      monitoring = boot();
      return monitoring.judgeNow();
    },
    judge: () => monitoring.judgeNow(),
    timeline: (device: string) => monitoring.timeline({ fleet: "main" }, device, 10),
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}

test("a device past its lease and grace is one alert that answers why, since when, compared with what, and what next", async () => {
  await using w = await world(40);
  const others = w.ids.slice(1);
  await w.live(minutes(2) - seconds(10), others);
  assert.deepEqual(await w.alerts(), []);
  await w.live(minutes(3), others);
  const [alert, ...more] = await w.alerts();
  assert.deepEqual(more, []);
  assert.deepEqual(
    [alert.title, alert.state, alert.severity, alert.subject],
    ["pump-000 is silent", "firing", "ticket", { kind: "device", id: "pump-000" }],
  );
  assert.equal(alert.since, new Date(start + minutes(2)).toISOString());
  assert.match(alert.why, /lease of 60 s.*firmware 1\.0\.0/);
  assert.match(alert.comparedWith, /0 other devices were silent of 40/);
  assert.match(alert.next, /tenfold device show pump-000/);
  assert.equal(w.events.filter(({ type }) => type === "alert.changed").length, 1);
});

test("an alert ends when the device is back for a while, and flapping makes no second one", async () => {
  await using w = await world(40);
  await w.live(minutes(3), w.ids.slice(1));
  assert.equal((await w.titles()).length, 1);
  await w.live(seconds(10), w.ids);
  assert.equal((await w.titles()).length, 1);
  await w.live(seconds(20), w.ids);
  assert.deepEqual(await w.titles(), []);
  const [resolved] = await w.alerts("?state=resolved");
  assert.equal(resolved.state, "resolved");
  assert.deepEqual(
    (await w.timeline("pump-000")).map(({ text }) => text),
    ["pump-000 is silent.", "Over: pump-000 is silent."],
  );
});

test("an outage of a site is one alert with what the devices share, not thirty", async () => {
  await using w = await world(100);
  await w.live(minutes(6), w.ids.slice(30));
  const alerts = await w.alerts();
  assert.deepEqual(
    alerts.map(({ title }: { title: string }) => title),
    ["30 of 100 devices are silent"],
  );
  const [group] = alerts;
  assert.deepEqual([group.kind, group.severity, group.devices.length], ["group_silent", "page", 30]);
  assert.match(group.why, /tag:site=berlin \(30 of the 30 that have it\)/);
  assert.match(group.comparedWith, /counts from 10 devices on/);
  await w.live(minutes(1), w.ids);
  assert.deepEqual(await w.titles(), []);
});

test("device alerts that fired before it was clear that it is about the group are taken into the group's alert", async () => {
  await using w = await world(100);
  await w.live(minutes(3), w.ids.slice(2));
  assert.equal((await w.titles()).length, 2);
  await w.live(minutes(5), w.ids.slice(30));
  assert.deepEqual(await w.titles(), ["30 of 100 devices are silent"]);
  const [absorbed] = await w.alerts("?state=resolved");
  assert.match(absorbed.next, /taken into the alert about the whole group: alr_/);
  await w.live(minutes(1), w.ids.slice(2));
  assert.deepEqual((await w.titles()).toSorted(), ["pump-000 is silent", "pump-001 is silent"]);
});

test("a platform that was down itself blames nobody until every device had a lease to come back in", async () => {
  await using w = await world(40);
  await w.live(minutes(3), w.ids.slice(1));
  assert.deepEqual(await w.titles(), ["pump-000 is silent"]);
  w.pass(minutes(30));
  await w.restart();
  assert.deepEqual(await w.titles(), ["pump-000 is silent"]);
  await w.live(seconds(100), []);
  assert.deepEqual(await w.titles(), ["pump-000 is silent"]);
  await w.live(minutes(1), w.ids.slice(0, 39));
  assert.deepEqual(await w.titles(), ["pump-039 is silent"]);
});

test("silence of all is said to point at our own side", async () => {
  await using w = await world(40);
  await w.live(minutes(4), []);
  const [alert] = await w.alerts();
  assert.match(alert.why, /Not one of the 40 .* points at this side/);
});

test("suspended and retired devices are missed by nobody", async () => {
  await using w = await world(40);
  await w.call("POST", "/devices/pump-000/suspend", { reason: "in the workshop" });
  await w.live(minutes(5), w.ids.slice(1));
  assert.deepEqual(await w.alerts(), []);
});

test("a halted rollout is an alert until it is told no more", async () => {
  await using w = await world(1);
  w.halted.push({
    rollout: "rol_1",
    release: { name: "fw", version: "2.0.0" },
    phase: "rolling_back",
    since: start,
    because: "3 of 10 devices fell silent.",
    harmedDevices: ["pump-000"],
  });
  await w.judge();
  await w.judge();
  const [alert, ...more] = await w.alerts();
  assert.deepEqual(more, []);
  assert.deepEqual(
    [alert.title, alert.why, alert.subject.id],
    ["The rollout of fw 2.0.0 was halted and is being rolled back", "3 of 10 devices fell silent.", "rol_1"],
  );
  w.halted.pop();
  await w.live(seconds(30), w.ids);
  assert.deepEqual(await w.titles(), []);
});

test("two judges at once make one alert", async () => {
  await using w = await world(40);
  await w.live(minutes(2) - seconds(10), w.ids.slice(1));
  w.pass(seconds(10));
  await Promise.all([w.judge(), w.judge(), w.judge()]);
  assert.equal((await w.alerts()).length, 1);
});

test("somebody acknowledges an alert once, on the record", async () => {
  await using w = await world(40);
  await w.live(minutes(3), w.ids.slice(1));
  const [{ id }] = await w.alerts();
  const first = await w.call("POST", `/alerts/${id}/acknowledge`);
  assert.deepEqual([first.status, first.body.acknowledgedBy], [200, "Olga"]);
  w.pass(seconds(10));
  assert.deepEqual((await w.call("POST", `/alerts/${id}/acknowledge`)).body, first.body);
  assert.deepEqual(w.audited, [`alert.acknowledged ${id}`]);
  assert.equal((await w.call("POST", "/alerts/alr_none/acknowledge")).body.code, "alert_unknown");
});

test("a damaged artifact is one alert that names it, its releases and the fix, until it is mended", async () => {
  await using w = await world(1);
  const sha256 = "ab".repeat(32);
  const damage = `its 9 bytes hash to ${"cd".repeat(32)}`;
  w.damaged.push({ sha256, since: w.clock.now(), damage, releases: ["pump 2.0.0", "pump 1.9.0"] });
  await w.judge();
  await w.judge();
  const [alert, ...more] = await w.alerts("?state=firing");
  assert.deepEqual(more, []);
  assert.deepEqual(alert.subject, { kind: "artifact", id: sha256 });
  assert.equal(alert.title, "The artifact of pump 2.0.0 and 1 more is damaged on the platform's disk");
  assert.ok(alert.why.includes(sha256) && alert.why.includes(damage), alert.why);
  assert.match(alert.next, /^Upload the same file again: tenfold artifact push FILE\./);
  w.damaged.length = 0;
  await w.judge();
  w.pass(minutes(5));
  await w.judge();
  assert.deepEqual(await w.alerts("?state=firing"), []);
});

test("rules can be changed, and one that is off fires nothing", async () => {
  await using w = await world(40);
  const change = (id: string, body: Record<string, unknown>) => w.call("PATCH", `/alert-rules/${id}`, body);
  assert.deepEqual(
    (await w.call("GET", "/alert-rules")).body.items.map((rule: { id: string }) => rule.id),
    ["artifact_damaged", "device_silent", "group_silent", "rollout_halted"],
  );
  assert.equal((await change("device_silent", { enabled: false, hold: "PT5M" })).body.hold, "PT5M");
  assert.equal((await change("device_silent", { share: 0.5 })).body.code, "alert_rule_field_unused");
  assert.equal((await change("group_silent", { filter: "nonsense:1" })).body.code, "filter_invalid");
  assert.equal((await change("group_silent", { filter: "tag:site=berlin", share: 0.2 })).body.filter, "tag:site=berlin");
  assert.equal((await change("other", {})).body.code, "alert_rule_unknown");
  await w.live(minutes(5), w.ids.slice(1));
  assert.deepEqual(await w.alerts(), []);
});

test("alerts come page by page, firing ones first", async () => {
  await using w = await world(40);
  await w.live(minutes(3), w.ids.slice(1));
  await w.live(minutes(1), w.ids);
  await w.live(minutes(3), w.ids.slice(2));
  const first = await w.call("GET", "/alerts?limit=2");
  const rest = await w.call("GET", `/alerts?limit=2&cursor=${first.body.nextCursor}`);
  const states = [...first.body.items, ...rest.body.items].map(({ state }: { state: string }) => state);
  assert.deepEqual([states, rest.body.nextCursor], [["firing", "firing", "resolved"], undefined]);
  assert.equal((await w.call("GET", "/alerts?cursor=x")).body.code, "alert_cursor_invalid");
});
