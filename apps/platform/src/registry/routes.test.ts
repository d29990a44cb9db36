import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultScope, minutes } from "@tenfold/base";
import { heartbeatOf, operator, registryWorld, start } from "./testing.ts";

test("devices are listed page by page, each once, with how many there are", async () => {
  await using w = await registryWorld();
  for (let i = 0; i < 25; i++) await w.add(`pump-${String(i).padStart(2, "0")}`, { site: i % 5 === 0 ? "oslo" : "berlin" });
  const seen: string[] = [];
  let cursor = "";
  do {
    const page = await w.call(
      "GET",
      `/devices?limit=8&filter=${encodeURIComponent("tag:site=berlin")}${cursor && `&cursor=${cursor}`}`,
    );
    assert.deepEqual([page.status, page.body.total], [200, 20]);
    seen.push(...page.body.items.map((device: { id: string }) => device.id));
    cursor = page.body.nextCursor ?? "";
  } while (cursor);
  assert.equal(new Set(seen).size, 20);
  assert.deepEqual(seen, seen.toSorted());
});

test("a filter that cannot be read is answered with where and what to write instead", async () => {
  await using w = await registryWorld();
  const answer = await w.call("GET", "/devices?filter=stauts:offline");
  assert.deepEqual([answer.status, answer.body.code, answer.body.field], [422, "filter_invalid", "filter"]);
  assert.match(answer.body.fix, /status:/);
  assert.equal((await w.call("GET", "/devices?filter=group:nowhere")).body.code, "filter_group_unknown");
  assert.equal((await w.call("GET", "/devices?cursor=%25")).body.code, "cursor_invalid");
});

test("the summary counts by status, lifecycle and firmware", async () => {
  await using w = await registryWorld();
  for (const id of ["a", "b", "c"]) await w.add(id);
  await w.registry.recordContacts([{ device: "a", at: start, heartbeat: heartbeatOf({ version: "2.0.0" }) }]);
  const { body } = await w.call("GET", "/device-summary");
  assert.equal(body.total, 3);
  assert.deepEqual(body.connectivity, { online: 1, late: 0, offline: 0, never_seen: 2 });
  assert.equal(body.lifecycle.active, 3);
  assert.deepEqual(body.firmware, [{ version: "2.0.0", devices: 1 }]);
});

test("tags are set and removed, with an entry in the audit trail", async () => {
  await using w = await registryWorld();
  await w.add("pump-1", { site: "berlin", lab: "yes" });
  const tagged = await w.call("PATCH", "/devices/pump-1", { tags: { site: "oslo", lab: null } });
  assert.deepEqual([tagged.status, tagged.body.tags], [200, { site: "oslo" }]);
  assert.deepEqual(w.audited, ["device.tagged pump-1"]);
  assert.equal((await w.call("PATCH", "/devices/pump-1", { tags: { site: "a\u0000" } })).body.code, "tag_invalid");
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`t${i}`, "x"]));
  assert.equal((await w.call("PATCH", "/devices/pump-1", { tags: many })).body.code, "too_many_tags");
  assert.equal((await w.call("PATCH", "/devices/nobody", { tags: {} })).status, 404);
});

test("a device is suspended, resumed and retired over the API, and each step needs a reason", async () => {
  await using w = await registryWorld();
  await w.add("pump-1");
  const step = async (verb: string, body: Record<string, unknown> = { reason: "test" }) =>
    (await w.call("POST", `/devices/pump-1/${verb}`, body)).body;
  assert.equal((await step("suspend", {})).code, "input_invalid");
  assert.equal((await step("suspend")).lifecycle, "suspended");
  assert.equal((await step("resume")).lifecycle, "active");
  assert.equal((await step("quarantine")).lifecycle, "quarantined");
  assert.equal((await step("retire")).lifecycle, "retired");
  assert.equal((await step("resume")).code, "lifecycle_not_allowed");
});

test("the timeline merges what every module knows, newest first", async () => {
  const elsewhere = [
    { at: new Date(start + minutes(30)).toISOString(), kind: "event", severity: "error", text: "Kernel panic." } as const,
  ];
  await using w = await registryWorld({ timeline: [async () => elsewhere] });
  await w.add("pump-1");
  await w.registry.recordContacts([{ device: "pump-1", at: start, heartbeat: heartbeatOf({ leaseS: 60 }) }]);
  await w.registry.recordContacts([{ device: "pump-1", at: start + minutes(20), heartbeat: heartbeatOf({ version: "1.1.0" }) }]);
  w.pass(minutes(40));
  await w.registry.setLifecycle(defaultScope, "pump-1", { to: "suspended", reason: "stolen", actor: operator });
  await w.registry.recordRefusals([{ device: "pump-1", at: w.clock.now() + 1, reason: "suspended" }]);
  const { body } = await w.call("GET", "/devices/pump-1/timeline");
  const lines = body.items.map((entry: { kind: string; text: string }) => `${entry.kind}: ${entry.text}`);
  assert.deepEqual(lines, [
    "refusal: Last of 1 refused inputs: suspended.",
    "lifecycle: active → suspended by Olga: stolen",
    "event: Kernel panic.",
    "contact: Heard again after 19 min without a lease.",
    "firmware: Firmware 1.0.0 → 1.1.0.",
    "firmware: Runs firmware 1.0.0.",
    "lifecycle: Registered as active.",
  ]);
  assert.equal((await w.call("GET", "/devices/nobody/timeline")).status, 404);
});

test("groups are static or dynamic, can be filtered by, and one in use stays", async () => {
  await using w = await registryWorld();
  for (const id of ["a", "b", "c"]) await w.add(id, { site: id === "c" ? "oslo" : "berlin" });
  const lab = await w.call("POST", "/groups", { name: "lab", devices: ["a", "a"] });
  assert.deepEqual([lab.status, lab.body.members], [201, 1]);
  const rest = await w.call("POST", "/groups", { name: "rest", filter: "tag:site=berlin -group:lab" });
  assert.deepEqual([rest.status, rest.body.members], [201, 1]);
  const of = async (filter: string) => (await w.registry.select(defaultScope, filter)).map(({ id }) => id);
  assert.deepEqual(await of("group:lab"), ["a"]);
  assert.deepEqual(await of("-group:rest"), ["a", "c"]);
  assert.equal((await w.call("DELETE", `/groups/${lab.body.id}`)).body.code, "group_in_use");
  assert.equal((await w.call("DELETE", `/groups/${rest.body.id}`)).status, 200);
  assert.equal((await w.call("DELETE", `/groups/${lab.body.id}`)).status, 200);
  assert.deepEqual((await w.call("GET", "/groups")).body.items, []);
});

test("a group that makes no sense is refused and leaves nothing behind", async () => {
  await using w = await registryWorld();
  await w.add("a");
  const codeOf = async (body: Record<string, unknown>) => (await w.call("POST", "/groups", body)).body.code;
  assert.equal(await codeOf({ name: "g" }), "group_ambiguous");
  assert.equal(await codeOf({ name: "g", filter: "a", devices: ["a"] }), "group_ambiguous");
  assert.equal(await codeOf({ name: "g", filter: "group:g" }), "group_ambiguous");
  assert.equal(await codeOf({ name: "g", filter: "group:h" }), "filter_group_unknown");
  assert.equal(await codeOf({ name: "g", devices: ["a", "ghost"] }), "group_member_unknown");
  assert.deepEqual((await w.call("GET", "/groups")).body.items, []);
  assert.deepEqual(w.audited, []);
});
