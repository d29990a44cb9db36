/**
 * Real recordings played through real devices; what the API then returns is held against the file, read here by other code than the
 * simulator's. Needs the recordings beside the checkout, and says so where they are not.
 */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { RunningPlatform } from "../running-platform.ts";
import { type Counts, eventually, same, steps } from "./steps.ts";

const runFile = promisify(execFile);
const recordings = join(import.meta.dirname, "..", "..", "..", "shared", "data");

/** By series and metric: every value in the order of its time, with milliseconds since the first of all. */
type Expected = Map<string, { at: number; v: number }[]>;

const add = (expected: Expected, key: string, point: { at: number; v: number }) =>
  expected.set(key, [...(expected.get(key) ?? []), point]);

function readSinglehop(text: string): Expected {
  const expected: Expected = new Map();
  for (const line of text.split(/\r?\n/)) {
    const [reading, mote, humidity, temperature] = line.split("\t").map((field) => field.trim());
    if (!/^\d+$/.test(reading ?? "") || !/^\d+$/.test(mote ?? "")) continue;
    add(expected, `mote-${mote} humidity`, { at: Number(reading) * 5_000, v: Number(humidity) });
    add(expected, `mote-${mote} temperature`, { at: Number(reading) * 5_000, v: Number(temperature) });
  }
  return expected;
}

function readNab(text: string, name: string): Expected {
  const expected: Expected = new Map();
  for (const line of text.trim().split("\n").slice(1)) {
    const [time = "", value] = line.split(",");
    add(expected, `${name} value`, { at: Date.parse(`${time.replace(" ", "T")}Z`), v: Number(value) });
  }
  return expected;
}

const files = [
  { path: join(recordings, "wsn", "singlehop-indoor-moteid1-data.txt"), prefix: "indoor", read: readSinglehop },
  {
    path: join(recordings, "nab", "series", "realTraffic", "TravelTime_387.csv"),
    prefix: "road",
    read: (text: string) => readNab(text, "TravelTime_387"),
  },
];

export async function run(platform: RunningPlatform): Promise<Counts> {
  const suite = steps("replay");
  for (const { path, prefix, read } of files) {
    if (!existsSync(path)) {
      console.log(`- replay: skipped, because the recordings are not beside the checkout (${path})`);
      continue;
    }
    await suite.step(`the stored points of ${path.split("/").at(-1)} equal the file's`, async () => {
      const { shiftMs } = await play(platform, { path, prefix });
      for (const [key, points] of read(readFileSync(path, "utf8"))) {
        const [series, metric] = key.split(" ");
        const wanted = points.toSorted((a, b) => a.at - b.at || a.v - b.v).map(({ at, v }) => [at + shiftMs, v]);
        await eventually(
          async () => same(await stored(platform, { device: `${prefix}-${series}`, metric: metric ?? "" }), wanted),
          30_000,
        );
        console.log(`    ${key}: ${wanted.length} points, each at its time`);
      }
    });
  }
  return { passed: suite.passed, failed: suite.failed };
}

type Playing = { path: string; prefix: string };

async function play(platform: RunningPlatform, { path, prefix }: Playing): Promise<{ shiftMs: number }> {
  const args = [
    "apps/cli/src/main.ts",
    "--data",
    platform.dataDir,
    "sim",
    "replay",
    path,
    "--prefix",
    prefix,
    "--state",
    join(platform.dir, `replay-${prefix}`),
    "--jsonl",
  ];
  const { stdout } = await runFile(process.execPath, args, { timeout: 300_000, maxBuffer: 64 * 1024 * 1024 });
  const last = JSON.parse(stdout.trim().split("\n").at(-1) ?? "{}") as {
    replay: { shiftMs: number; points: number; pointsAcked: number };
  };
  same(last.replay.pointsAcked, last.replay.points);
  return last.replay;
}

async function stored(
  platform: RunningPlatform,
  { device, metric }: { device: string; metric: string },
): Promise<[number, number][]> {
  const path = `/api/v1/devices/${encodeURIComponent(device)}/telemetry?metric=${metric}&points=100000&from=2000-01-01T00:00:00Z`;
  const { points } = JSON.parse(await platform.tenfold("api", "GET", path)) as { points: { at: string; v: number }[] };
  return points.map(({ at, v }): [number, number] => [Date.parse(at), v]).toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
}
