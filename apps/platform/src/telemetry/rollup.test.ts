import assert from "node:assert/strict";
import { test } from "node:test";
import { hours, minutes } from "@tenfold/base";
import { duesOf, resolutionFor, slicesOf } from "./rollup.ts";
import { deviceSeries } from "./routes.ts";
import { readFleet } from "./series.shell.ts";
import { message, type TelemetryWorld, telemetryWorld } from "./testing.ts";

const main = { fleet: "main" };
const noon = Date.UTC(2026, 5, 15, 12);
const today = noon - hours(12);

type Opened = Awaited<ReturnType<TelemetryWorld["open"]>>;
type Sample = { at: number; v: number };

/** Values of every 10 s since `from`: halves on both sides of zero, so that sums are exact in any order. */
const samples = (count: number, from: number, step = 10_000): Sample[] =>
  Array.from({ length: count }, (_, i) => ({ at: from + i * step, v: ((i * 7_919) % 1_009) / 2 - 250 }));

async function send({ intake }: Opened, device: string, list: readonly Sample[]): Promise<void> {
  for (let i = 0; i < list.length; i += 2_000) {
    const pack = list.slice(i, i + 2_000).map(({ at, v }) => ({ n: "t", t: at / 1_000, v, u: "Cel" }));
    assert.deepEqual(await intake.receive(message(device, pack)), { is: "stored" });
  }
}

const grouped = (cell: string, from: string) =>
  `SELECT fleet, metric, device, toUnixTimestamp64Milli(toDateTime64(${cell}(p.ts), 3, 'UTC')) AS cell, count() AS n, sum(p.value) AS total,
     min((p.value, p.ts)) AS low, max((p.value, p.ts)) AS high, max((p.ts, p.value)) AS last, max(p.unit) AS unit
   FROM ${from} AS p WHERE NOT isNaN(p.value) GROUP BY fleet, metric, device, cell ORDER BY fleet, metric, device, cell`;

/** The law: cells say of each minute and hour what the points say. */
async function assertCellsAgree({ store }: TelemetryWorld): Promise<number> {
  let cells = 0;
  for (const [table, cell] of [
    ["point_minute", "toStartOfMinute"],
    ["point_hour", "toStartOfHour"],
  ] as const) {
    const fromPoints = await store.query(grouped(cell, "tenfold.point"));
    const stored = await store.query(
      `SELECT fleet, metric, device, toUnixTimestamp64Milli(ts) AS cell, n, total, (low.1, low.2) AS low, (high.1, high.2) AS high, (last.1, last.2) AS last, unit
       FROM tenfold.${table} FINAL ORDER BY fleet, metric, device, cell`,
    );
    assert.deepEqual(stored, fromPoints);
    cells += stored.length;
  }
  return cells;
}

test("cells and points agree after replays, after kill -9 of the store in the middle, and when points come late", async () => {
  await using world = await telemetryWorld();
  const first = await world.open();
  await send(first, "dev-1", samples(2_000, today));
  await send(first, "dev-2", samples(500, today));
  await first.intake.caughtUp();
  const rolling = first.telemetry.rollUp("all");
  const pid = world.store.pid();
  if (pid !== undefined) process.kill(pid, "SIGKILL");
  await rolling.catch(() => undefined);
  await first.telemetry.rollUp("all");
  await assertCellsAgree(world);

  // Late, into hours that are computed already; then the journal forgets that it applied the last batch.
  await send(first, "dev-1", samples(300, today + 5, 20_000));
  await first.intake.caughtUp();
  await first.journal.close();
  await first.telemetry.stop();
  assert.ok((await world.loseCheckpoints()) > 0);
  const second = await world.open();
  await second.intake.caughtUp();
  assert.ok((await second.telemetry.series.rolledUntil("dev-1")) <= today);
  await second.telemetry.rollUp("all");
  assert.ok((await second.telemetry.series.rolledUntil()) > noon);
  assert.ok((await assertCellsAgree(world)) > 300);
  assert.deepEqual(await world.store.query("SELECT count() AS n FROM tenfold.point"), [{ n: 2_800 }]);
});

test("what came while cells were computed stays due", async () => {
  await using world = await telemetryWorld();
  const { telemetry, intake } = await world.open();
  await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      await intake.receive(message("dev-1", { t: i, ts: today + i * minutes(1) }));
      await telemetry.rollUp("all");
    }),
  );
  await intake.caughtUp();
  await telemetry.rollUp("all");
  await assertCellsAgree(world);
});

test("a long range is drawn from cells with the same extremes at the same moments, and says so", async () => {
  await using world = await telemetryWorld();
  const opened = await world.open();
  const list = samples(20_000, today - hours(48));
  const spike = { at: today - hours(20) + 1_234, v: 5_000 };
  await send(opened, "dev-1", [...list, spike]);
  await opened.intake.caughtUp();
  const { telemetry } = opened;
  const range = { device: "dev-1", metric: "t", from: today - hours(48), to: noon };
  const before = await deviceSeries(telemetry.series, main, { ...range, points: 40, sampling: "minmax" });
  await telemetry.rollUp("all");
  const after = await deviceSeries(telemetry.series, main, { ...range, points: 40, sampling: "minmax" });
  assert.deepEqual(after, before, "computed cells and cells computed now are the same");
  assert.deepEqual([after.resolution, after.sampling, after.stored, after.unit], ["1h", "minmax", 20_001, "Cel"]);
  assert.ok(after.points.some(({ at, v }) => v === spike.v && Date.parse(at) === spike.at));
  const fine = await deviceSeries(telemetry.series, main, { ...range, points: 600, sampling: "lttb" });
  assert.deepEqual([fine.resolution, fine.sampling, fine.points.length], ["1m", "lttb", 600]);
  assert.ok(fine.points.some(({ v }) => v === spike.v));
  const raw = await deviceSeries(telemetry.series, main, { ...range, points: 15_000, sampling: "lttb" });
  assert.deepEqual([raw.resolution, raw.points.length], ["raw", 15_000]);
});

test("buckets over many devices from cells count what buckets from points count", async () => {
  await using world = await telemetryWorld();
  const opened = await world.open();
  for (const device of ["dev-1", "dev-2"]) await send(opened, device, samples(4_000, today));
  await opened.intake.caughtUp();
  await opened.telemetry.rollUp();
  const range = { metric: "t", devices: "all" as const, from: today, to: today + hours(12) };
  for (const aggregate of ["avg", "min", "max", "sum", "count"] as const) {
    const coarse = await readFleet(opened.telemetry.series, main, { ...range, buckets: 6, aggregate });
    const fine = await readFleet({ ...opened.telemetry.series, rolledUntil: async () => 0 }, main, {
      ...range,
      buckets: 6,
      aggregate,
    });
    assert.deepEqual([coarse.resolution, coarse.buckets], ["1m", fine.buckets]);
  }
  const points = await readFleet(opened.telemetry.series, main, { ...range, buckets: 720, aggregate: "count" });
  assert.equal(points.resolution, "raw");
  assert.equal(
    points.buckets.reduce((sum, { v }) => sum + (v ?? 0), 0),
    8_000,
  );
});

test("a batch makes its running hours due as a whole, and in closed hours the late devices alone", () => {
  const now = today + hours(3);
  assert.deepEqual(
    duesOf(
      [
        { device: "a", at: [now, today + 1, now] },
        { device: "b", at: [now - 1] },
        { device: "b", at: today },
      ],
      now,
    ),
    [
      { hour: now, device: "" },
      { hour: today, device: "a" },
      { hour: today, device: "b" },
      { hour: now - hours(1), device: "" },
    ],
  );
});

test("the coarsest cells that still fit a bucket are chosen", () => {
  assert.deepEqual(
    [hours(10), hours(9), minutes(10), minutes(9)].map((bucketMs) => resolutionFor({ bucketMs, cells: 10 })),
    ["1h", "1m", "1m", "raw"],
  );
});

test("an hour of a large fleet is cut so that no statement groups more than so many points, and every metric is in it once", () => {
  const size = (metric: string, points: number, fleet = "main") => ({ fleet, metric, points });
  assert.deepEqual(
    slicesOf([size("a", 40), size("b", 50), size("c", 20), size("d", 250), size("e", 5), size("a", 5, "other")], 100),
    [
      { fleet: "main", metrics: ["a", "b"], part: 0, parts: 1 },
      { fleet: "main", metrics: ["c"], part: 0, parts: 1 },
      { fleet: "main", metrics: ["d"], part: 0, parts: 3 },
      { fleet: "main", metrics: ["d"], part: 1, parts: 3 },
      { fleet: "main", metrics: ["d"], part: 2, parts: 3 },
      { fleet: "main", metrics: ["e"], part: 0, parts: 1 },
      { fleet: "other", metrics: ["a"], part: 0, parts: 1 },
    ],
  );
});
