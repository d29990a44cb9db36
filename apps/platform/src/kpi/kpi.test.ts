import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { days, defaultScope, hours, minutes } from "@tenfold/base";
import { sql } from "kysely";
import { heartbeatOf, operator, registryWorld, start } from "../registry/testing.ts";
import { definitions } from "./definitions.ts";
import { createKpi, type LagFacts, type PatchFact } from "./index.ts";
import { judgePatching, observe } from "./patching.ts";
import { bucketsOf, periodOf } from "./period.ts";
import { survivalOf } from "./survival.ts";

const silent = { n: 0, p50: undefined, p95: undefined, p99: undefined };

async function world({ facts = [], lag = { ...silent, platform: silent } }: { facts?: PatchFact[]; lag?: LagFacts } = {}) {
  const registry = await registryWorld();
  const kpi = createKpi({ ...registry, rollouts: { patchFacts: async () => facts }, lag: async () => lag });
  kpi.routes(registry.app);
  const contact = (device: string, at: number, lease: number) => ({
    device,
    at,
    heartbeat: heartbeatOf({ leaseS: lease / 1_000 }),
  });
  const every = (device: string, { from, to, gap }: { from: number; to: number; gap: number }) =>
    Array.from({ length: Math.round((to - from) / gap) }, (_, i) => contact(device, from + i * gap, gap));
  const alive = (from: number, until: number) =>
    sql`insert into monitoring.platform_alive (server, alive_from, alive_until) values ('s', ${new Date(from)}, ${new Date(until)})`.execute(
      registry.db,
    );
  return { ...registry, kpi, contact, every, alive };
}

const besides = (kpi: { beside: { label: string; value: number | null }[] }) =>
  Object.fromEntries(kpi.beside.map(({ label, value }) => [label, value]));
const near = (actual: number | null | undefined, expected: number) =>
  assert.ok(actual != null && Math.abs(actual - expected) < 1e-3, `${actual} is not ${expected}`);

// The synthetic day of the reference (a 30-minute platform outage hits all). Its device C needs planned windows, which do not exist yet.
test("the worked example of device uptime comes out to the second", async () => {
  await using w = await world();
  const day = start + days(3);
  const at = (h: number) => day + hours(h);
  await w.alive(start, at(14));
  await w.alive(at(14.5), at(24));
  for (const id of ["A", "B", "D1", "F", "G"]) await w.add(id);
  await w.registry.recordContacts([
    w.contact("F", start, hours(1)),
    ...["A", "B", "D1", "G"].map((id) => w.contact(id, day - minutes(5), minutes(5))),
  ]);
  w.pass(days(3) + hours(10));
  await w.registry.setLifecycle(defaultScope, "D1", { to: "retired", reason: "replaced", actor: operator });
  w.pass(hours(2));
  await w.add("D2");
  w.pass(hours(12));
  await w.registry.recordContacts([
    ...w.every("A", { from: day, to: at(3) + minutes(5), gap: minutes(5) }),
    ...w.every("A", { from: at(4), to: at(24), gap: minutes(5) }),
    ...[0, 6, 18].map((h) => w.contact("B", at(h), hours(7))),
    ...w.every("D1", { from: day, to: at(10), gap: minutes(5) }),
    ...w.every("D2", { from: at(12), to: at(24), gap: minutes(5) }),
    ...w.every("G", { from: day, to: at(24), gap: minutes(5) }),
  ]);
  const { rows } = await sql<{ device: string; expected: number; reachable: number }>`
    select device, kpi.seconds(expected) / 3600 as expected, kpi.seconds(reachable) / 3600 as reachable
    from kpi.device_time('main', ${new Date(day)}, ${new Date(at(24))}) order by device`.execute(w.db);
  const table = rows.map(({ device, expected, reachable }) => [device, Number(expected.toFixed(3)), Number(reachable.toFixed(3))]);
  assert.deepEqual(table, [
    ["A", 23.5, 22.583],
    ["B", 23.5, 19],
    ["D1", 10, 10],
    ["D2", 11.5, 11.5],
    ["F", 23.5, 0],
    ["G", 23.5, 23.5],
  ]);
  const uptime = await w.kpi.one(defaultScope, "uptime", { from: day, to: at(24) });
  near(uptime.value, 86.5833 / 115.5);
  assert.deepEqual([uptime.n, uptime.ok, uptime.trend.length], [6, false, 12]);
  near(besides(uptime)["p5 device"], 0);
  near(besides(uptime)["Devices under target"], 3);
  near(besides(uptime)["Platform not at work"], 0.5);
});

test("the parts of the trend add up to the whole", async () => {
  await using w = await world();
  await w.add("A");
  await w.registry.recordContacts([w.contact("A", start, hours(1)), w.contact("A", start + hours(3), hours(2))]);
  w.pass(hours(6));
  const uptime = await w.kpi.one(defaultScope, "uptime", {});
  near(uptime.value, 3 / 6);
  assert.deepEqual(
    uptime.trend.map(({ v }) => v),
    [1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0],
  );
  assert.equal(uptime.from, new Date(start).toISOString());
});

test("suspended time, never heard devices and excluded devices are in no denominator; excluded ones are counted beside", async () => {
  await using w = await world();
  for (const id of ["A", "never"]) await w.add(id);
  await w.add("rig", { kpi: "exclude" });
  await w.registry.recordContacts(["A", "rig"].map((id) => w.contact(id, start, hours(1))));
  w.pass(hours(1));
  await w.registry.setLifecycle(defaultScope, "A", { to: "suspended", reason: "moving house", actor: operator });
  w.pass(hours(1));
  await w.registry.setLifecycle(defaultScope, "A", { to: "active", reason: "moved", actor: operator });
  await w.registry.recordContacts([w.contact("A", w.clock.now(), hours(1))]);
  w.pass(hours(1));
  const uptime = await w.kpi.one(defaultScope, "uptime", {});
  assert.deepEqual(
    [uptime.value, uptime.n, besides(uptime)["Expected device-hours"], besides(uptime)["Devices left out (kpi=exclude)"]],
    [1, 1, 2, 1],
  );
});

// Days until patched, until retired (4) and until the report (14): a set with every figure that the reference gives for its example.
const example = [
  ...[2, 2, 3, 3, 6, 9].map((time) => ({ time, patched: true })),
  { time: 4, patched: false },
  { time: 14, patched: false },
];

test("the worked example of mean time to patch: median 3 d, p90 not reached, 6.08 d of the first 14", () => {
  const { mean, median, p90 } = survivalOf(example, 14);
  assert.deepEqual([mean?.toFixed(2), median, p90], ["6.08", 3, undefined]);
  const judged = judgePatching(example.map(({ time, patched }) => ({ time: days(time), patched })));
  assert.deepEqual([besides(judged)["Patched within 7 days, of all"], besides(judged)["Exposed device-hours"]], [0.625, 1_032]);
});

test("all patched: the restricted mean is the plain mean; nobody patched: it is how long they have been followed, up to the horizon", () => {
  near(
    survivalOf(
      [1, 2, 6].map((time) => ({ time, patched: true })),
      14,
    ).mean,
    3,
  );
  assert.equal(survivalOf([{ time: 1, patched: false }], 14).mean, 1);
  assert.equal(survivalOf([{ time: 15, patched: false }], 14).mean, 14);
  assert.deepEqual(survivalOf([{ time: 20, patched: true }], 14), { mean: 14, followed: 14, median: 20, p90: 20 });
  assert.equal(survivalOf([], 14).mean, undefined);
});

test("a fix that was withdrawn after seconds does not count as days of waiting", () => {
  const withdrawn = [
    ...[20, 30, 40].map((time) => ({ time, patched: true })),
    ...[15, 15, 15].map((time) => ({ time, patched: false })),
  ];
  near(survivalOf(withdrawn, 86_400).mean, 30);
});

test("a device is followed until it is patched, given up, or now; later facts are not known yet", () => {
  const devices = [
    { device: "a", exposedFrom: 0, patchedAt: 10 },
    { device: "b", exposedFrom: 0, patchedAt: 50 },
    { device: "c", exposedFrom: 0, censoredAt: 20 },
    { device: "d", exposedFrom: 40 },
  ];
  const facts = [{ release: "rel_1", availableAt: 0, devices }];
  assert.deepEqual(observe(facts, 30), [
    { time: 10, patched: true },
    { time: 30, patched: false },
    { time: 20, patched: false },
  ]);
});

test("KPIs are listed with value, target and trend, and are empty while there is nothing to count", async () => {
  await using w = await world();
  const empty = (await w.call("GET", "/kpis")).body.items;
  assert.deepEqual(
    empty.map(({ name, value, ok, n }: { name: string; value: null; ok: null; n: number }) => [name, value, ok, n]),
    [
      ["uptime", null, null, 0],
      ["mttp", null, null, 0],
      ["data_lag", null, null, 0],
    ],
  );
  const lag = { n: 10, p50: 20, p95: 70_000, p99: 90_000, platform: { n: 10, p50: 1, p95: 2, p99: 3 } };
  const facts = [
    { release: "rel_1", availableAt: start, devices: [{ device: "a", exposedFrom: start, patchedAt: start + hours(2) }] },
  ];
  await using full = await world({ facts, lag });
  full.pass(days(1));
  const explained = (await full.call("GET", "/kpis/mttp/explain")).body;
  assert.deepEqual([explained.kpi.value, explained.kpi.ok, explained.definition], [7_200, true, definitions.mttp.definition]);
  const [, , late] = (await full.call("GET", "/kpis")).body.items;
  assert.deepEqual([late.value, late.ok, late.n], [70_000, false, 10]);
});

test("a period never reaches into the future and a trend has equal parts", () => {
  assert.deepEqual(periodOf({ to: 5_000_000, now: 2_000_000, from: 0 }), { from: 0, to: 2_000_000 });
  assert.deepEqual(periodOf({ now: days(40), since: days(39) }), { from: days(39), to: days(40) });
  assert.deepEqual(periodOf({ now: days(40) }), { from: days(10), to: days(40) });
  const parts = bucketsOf({ from: 0, to: 120 });
  assert.deepEqual([parts.length, parts[0], parts[11]], [12, { from: 0, to: 10 }, { from: 110, to: 120 }]);
});

test("what the API says a KPI means is what the documentation says", async () => {
  const page = await readFile(new URL("../../../../docs/kpis.md", import.meta.url), "utf8");
  for (const { title, definition, numerator, denominator, exclusions, source } of Object.values(definitions)) {
    for (const text of [title, definition, numerator, denominator, ...exclusions, source]) assert.ok(page.includes(text), text);
  }
});
