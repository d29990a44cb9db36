/**
 * What dashboards ask, over many points: `--points=100000000` of 10,000 devices with ten metrics each. The points are made by the engine itself, in
 * stretches, and kept with `--keep=DIR`, where a run that was cut off goes on. Each query twenty times, one after the other, as a page asks them.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChdbStore, migrateStore, openChdbStore, silentLog } from "../apps/platform/src/kernel/index.ts";
import { bucketsOf, cellDrawing, type FleetQuery } from "../apps/platform/src/telemetry/cells.shell.ts";
import { computeCells } from "../apps/platform/src/telemetry/rollup.shell.ts";
import { allPoints, metricsOf, rawDrawing, shapePoints, sizeOf, thinnedPoints } from "../apps/platform/src/telemetry/store.ts";
import { option } from "./options.ts";
import { cpuOf } from "./processes.ts";
import { atMost, type BenchResult } from "./result.ts";

const points = Number(option("points", "100000000"));
const times = Number(option("times", "20"));
const [devices, metrics, stretch, tickMs] = [10_000, 10, 1_000_000, 60_000];
const start = Date.UTC(2026, 2, 1);
const end = start + (points / devices / metrics) * tickMs;
const fleet = { fleet: "main" };
const hour = 3_600_000;
/** Clocks jitter: some points of the first minute lie before it. */
const firstHour = start - hour;

export async function run(): Promise<BenchResult> {
  const keep = option("keep", "");
  const folder = keep === "" ? await mkdtemp(join(tmpdir(), "tenfold-queries-")) : join(keep, "points");
  await mkdir(folder, { recursive: true });
  const store = await openChdbStore({ path: folder, log: silentLog, deadlines: { queryMs: 60_000, insertMs: 60_000 } });
  try {
    await migrateStore(store, { log: silentLog });
    await makePoints(store);
    await makeCells(store);
    const figures: Record<string, number> = { ...(await sizeFigures(store)), ...(await anHourOfCells(store)) };
    for (const [name, ask] of Object.entries(dashboards(store))) {
      const { p50, p95 } = await timed(ask);
      figures[`${name}.p50Ms`] = p50;
      figures[`${name}.p95Ms`] = p95;
      console.log(`${name}: ${Math.round(p50)} ms, p95 ${Math.round(p95)} ms`);
    }
    return {
      bench: "queries",
      figures,
      aims: { oneSeriesSixHoursP95Ms: atMost(figures["oneSeriesSixHours.p95Ms"] ?? Number.NaN, 100) },
    };
  } finally {
    await store.close();
    if (keep === "") await rm(folder, { recursive: true, force: true });
  }
}

/** Values with two decimals that wander around a level of their own, clocks that jitter by 10 ms, a delay of 40 to 70 ms: in the order in which a fleet sends. */
async function makePoints(store: ChdbStore): Promise<void> {
  const [{ n = 0 } = {}] = await store.query<{ n: number }>("SELECT count() AS n FROM tenfold.point");
  const began = performance.now();
  for (let done = Math.floor(n / stretch); done < points / stretch; done++) {
    await store.command(
      `INSERT INTO tenfold.point (fleet, metric, device, ts, float, digits, places, text, unit, time_source, delay_ms)
       SELECT 'main', concat('metric-', toString(number % ${metrics})), concat('device-', toString(intDiv(number, ${metrics}) % ${devices})) AS device,
         fromUnixTimestamp64Milli(toInt64({start:Int64} + intDiv(number, ${devices * metrics}) * ${tickMs} + cityHash64(intDiv(number, ${metrics})) % 20 - 10), 'UTC'),
         0, toInt64(20000 + cityHash64(device, number % ${metrics}) % 1000 * 10 + round(200 * sin(number / 3e8 + cityHash64(device) % 100)) * 10 + cityHash64(number) % 7 * 10), 3,
         '', '', 'device', toInt64(40 + cityHash64(number, 1) % 30)
       FROM numbers(${done * stretch}, ${stretch})`,
      { start },
    );
    if (done % 10 === 9) console.log(`${done + 1} million points after ${Math.round((performance.now() - began) / 1_000)} s`);
  }
}

/** As the platform computes them once an hour is over; a kept folder goes on with its last hour, which may have been cut off. */
async function makeCells(store: ChdbStore): Promise<void> {
  const [{ n = 0, last = 0 } = {}] = await store.query<{ n: number; last: number }>(
    "SELECT count() AS n, toUnixTimestamp64Milli(max(ts)) AS last FROM tenfold.point_hour",
  );
  const began = performance.now();
  for (let from = n === 0 ? firstHour : last; from < end; from += hour) {
    await computeCells(store, { from, to: from + hour });
    console.log(`cells until ${new Date(from + hour).toISOString()} after ${Math.round((performance.now() - began) / 1_000)} s`);
  }
}

/** An hour of the whole fleet, computed anew as if a point had come late: seconds and CPU of the store's process. */
async function anHourOfCells(store: ChdbStore): Promise<Record<string, number>> {
  const pid = store.pid();
  if (pid === undefined) throw new Error("The store's process has ended.");
  const [from, to] = [start + hour, start + 2 * hour];
  const [began, before] = [performance.now(), await cpuOf([pid])];
  await computeCells(store, { from, to });
  const [seconds, cpu] = [(performance.now() - began) / 1_000, (await cpuOf([pid])) - before];
  return { hourOfCellsSeconds: seconds, hourOfCellsCpuMicrosAPoint: (cpu / (devices * metrics * 60)) * 1e6 };
}

/** The ten questions: of one device, of a hundred, of all. */
function dashboards(store: ChdbStore): Record<string, () => Promise<unknown>> {
  const series = { device: "device-4711", metric: "metric-3", from: start, to: end };
  const lastHours = (many: number) => ({ ...series, from: end - many * hour });
  const hundred = Array.from({ length: 100 }, (_, i) => `device-${i * 97}`);
  const buckets = (wish: Partial<FleetQuery>, resolution: "raw" | "1m" | "1h") =>
    bucketsOf(store, fleet, {
      ...{ metric: "metric-3", devices: "all", from: start, to: end, buckets: 100, aggregate: "avg", ...wish },
      ...{ resolution, edge: end },
    });
  const stored = points / devices / metrics;
  return {
    allMetricsOfOneDevice: () => metricsOf(store, fleet, "device-4711"),
    oneSeriesOneHour: () => allPoints(store, fleet, lastHours(1)),
    oneSeriesSixHours: () => allPoints(store, fleet, lastHours(6)),
    oneSeriesSize: () => sizeOf(store, fleet, series),
    oneSeriesThinned: () => thinnedPoints(store, rawDrawing(fleet, series, stored), { buckets: 200, texts: false }),
    oneSeriesShape: () => shapePoints(store, rawDrawing(fleet, series, stored), 400),
    oneSeriesFromMinutes: () =>
      thinnedPoints(store, cellDrawing(fleet, { ...series, size: "1m", edge: end }, stored), { buckets: 200, texts: false }),
    hundredDevicesAverage: () => buckets({ devices: hundred }, "raw"),
    wholeFleetLastHour: () => buckets({ from: end - hour, buckets: 60 }, "raw"),
    wholeFleetFromHours: () => buckets({ buckets: 16, aggregate: "max" }, "1h"),
  };
}

async function timed(ask: () => Promise<unknown>): Promise<{ p50: number; p95: number }> {
  const took: number[] = [];
  for (let i = 0; i < times; i++) {
    const at = performance.now();
    await ask();
    took.push(performance.now() - at);
  }
  took.sort((a, b) => a - b);
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95) };
}

async function sizeFigures(store: ChdbStore): Promise<Record<string, number>> {
  const [size] = await store.query<{ bytes: number; rows: number; parts: number }>(
    "SELECT sum(bytes_on_disk) AS bytes, sum(rows) AS rows, count() AS parts FROM system.parts WHERE database = 'tenfold' AND table = 'point' AND active",
  );
  return { points: size?.rows ?? 0, parts: size?.parts ?? 0, bytesPerPoint: (size?.bytes ?? 0) / (size?.rows ?? 1) };
}
