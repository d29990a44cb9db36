/** The telemetry store: rows a second, CPU and bytes a point, and how long a chart waits. The limit beside it is an insert of nothing. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "@tenfold/base";
import { type ChdbStore, migrateStore, openChdbStore, silentLog } from "../apps/platform/src/kernel/index.ts";
import type { Item } from "../apps/platform/src/telemetry/intake.shell.ts";
import type { Points } from "../apps/platform/src/telemetry/point.ts";
import { columnsOf } from "../apps/platform/src/telemetry/point-columns.shell.ts";
import { allPoints, insertPoints, metricsOf, rawDrawing, thinnedPoints } from "../apps/platform/src/telemetry/store.ts";
import { atLeast, atMost, type BenchResult } from "./result.ts";

const devices = 1_000;
const metrics = ["temperature", "humidity", "pressure", "voltage", "current", "rssi"];
const fleet = { fleet: "main" };
const start = Date.UTC(2026, 5, 1);
const ticksAMessage = 10_000;

export async function run(): Promise<BenchResult> {
  const folder = await mkdtemp(join(tmpdir(), "tenfold-bench-store-"));
  const store = await openChdbStore({ path: folder, log: silentLog });
  try {
    await migrateStore(store, { log: silentLog });
    const small = await insertRounds(store, { rounds: 20, ticks: 1, from: 0 });
    const large = await insertRounds(store, { rounds: 10, ticks: 17, from: 20 });
    const size = await settledSize(store);
    const queries = await chartTimes(store);
    return {
      bench: "store",
      figures: { ...named("batch6k", small), ...named("batch100k", large), ...size, ...queries },
      aims: {
        rowsPerSecondAt100k: atLeast(large.rowsPerSecond, 500_000),
        storeCpuMicrosecondsPerRowAt100k: atMost(large.storeCpuMicrosecondsPerRow, 3),
        bytesPerPoint: atMost(size.bytesPerPoint, 2),
        seriesMilliseconds: atMost(queries.seriesMilliseconds, 100),
      },
    };
  } finally {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
}

const named = (prefix: string, figures: Record<string, number>) =>
  Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${prefix}.${name}`, value]));

/** Random walks with two decimals, and clocks that jitter by 10 ms: what a fleet of sensors sends. A message of all metrics from each device. */
function fleetMessages() {
  const draw = seededRandom("bench-store");
  const levels = Array.from({ length: devices * metrics.length }, () => 2_000 + Math.floor(draw() * 1_000));
  const shape = { metrics, units: metrics.map(() => "") };
  const moved = (series: number) => {
    const level = levels[series] ?? 0;
    levels[series] = level + Math.round((draw() - 0.5) * 6);
    return level / 100;
  };
  return (tick: number): Item<Points>[] =>
    Array.from({ length: devices }, (_, device) => {
      const at = start + tick * ticksAMessage + Math.floor(draw() * 20) - 10;
      const message = {
        device: `device-${device}`,
        scope: fleet,
        channel: "telemetry" as const,
        payload: Buffer.alloc(0),
        receivedAt: at + 40 + Math.floor(draw() * 30),
        transport: "mqtt" as const,
      };
      const values = metrics.map((_, place) => moved(device * metrics.length + place));
      return { message, value: { shape, values, at, timeSource: "device" as const } };
    });
}

async function insertRounds(store: ChdbStore, { rounds, ticks, from }: { rounds: number; ticks: number; from: number }) {
  const next = fleetMessages();
  const batches = Array.from({ length: rounds }, (_, round) =>
    Array.from({ length: ticks }, (_, tick) => next(from + round * ticks + tick)).flat(),
  );
  const rows = rounds * ticks * devices * metrics.length;
  const [cpuBefore, ownBefore, began] = [await cpuOf(store.pid()), process.cpuUsage(), performance.now()];
  const times: number[] = [];
  for (const [round, batch] of batches.entries()) {
    const at = performance.now();
    const points = columnsOf(batch);
    await insertPoints(store, { points, rows: Array.from(points.ts.keys()) }, { token: `bench-${from}-${round}`, again: false });
    times.push(performance.now() - at);
  }
  const [seconds, own] = [(performance.now() - began) / 1_000, process.cpuUsage(ownBefore)];
  return {
    rowsPerSecond: rows / seconds,
    insertMillisecondsP50: median(times),
    storeCpuMicrosecondsPerRow: (((await cpuOf(store.pid())) - cpuBefore) * 1e6) / rows,
    platformCpuMicrosecondsPerRow: (own.user + own.system) / rows,
  };
}

/** CPU seconds of a process so far (proc(5): utime and stime in ticks of 10 ms). */
async function cpuOf(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function settledSize(store: ChdbStore) {
  await store.command("OPTIMIZE TABLE tenfold.point FINAL");
  const [size] = await store.query<{ bytes: number; rows: number }>(
    "SELECT sum(bytes_on_disk) AS bytes, sum(rows) AS rows FROM system.parts WHERE database = 'tenfold' AND table = 'point' AND active",
  );
  const status = await readFile(`/proc/${store.pid()}/status`, "utf8");
  const kilobytes = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
  return {
    points: size?.rows ?? 0,
    bytesPerPoint: (size?.bytes ?? 0) / (size?.rows ?? 1),
    storeResidentMegabytes: kilobytes("VmRSS") / 1_024,
    storePrivateMegabytes: kilobytes("RssAnon") / 1_024,
  };
}

async function chartTimes(store: ChdbStore) {
  const query = { device: "device-500", metric: "voltage", from: start, to: start + 86_400_000 };
  const timed = async (ask: () => Promise<unknown>) => {
    const times: number[] = [];
    for (let i = 0; i < 15; i++) {
      const at = performance.now();
      await ask();
      times.push(performance.now() - at);
    }
    return median(times);
  };
  return {
    seriesMilliseconds: await timed(() => allPoints(store, fleet, query)),
    thinnedSeriesMilliseconds: await timed(() =>
      thinnedPoints(store, rawDrawing(fleet, query, 190), { buckets: 50, texts: false }),
    ),
    deviceMetricsMilliseconds: await timed(() => metricsOf(store, fleet, "device-500")),
  };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
