import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describeError } from "@tenfold/base";
import { fuzz } from "./fuzz.ts";
import { type DdiWorld, ddiWorld } from "./world.ts";

/** A device's action takes 1,000 statuses (DDI 5.5), so that each round is a device of its own: mutations reach what lies behind the limit. */
const round = 5_000;

/** `memoryMb`: what lives after a collection, in the process that holds the platform and the client, after the first round and after the last. */
type Counts = {
  requests: number;
  broken: number;
  installed: number;
  deaths: number;
  memoryMb: { before: number; after: number };
  requestsPerS: number;
  statuses: Record<string, number>;
};

/**
 * `npm run conformance -- ddi [--runs 1000000] [--seed TEXT] [--minutes 60]`: mutated DDI requests against a whole platform over mutual TLS, seeded.
 * Ends early, with what it has, when the minutes are over. The rules themselves are in ddi.test.ts.
 */
export async function run(): Promise<Counts> {
  const { values } = parseArgs({
    args: process.argv.slice(3),
    options: { runs: { type: "string" }, seed: { type: "string" }, minutes: { type: "string", default: "120" } },
  });
  const runs = Number(values.runs ?? process.env.TENFOLD_TEST_DDI_REQUESTS ?? 20_000);
  const seed = values.seed ?? process.env.TENFOLD_TEST_SEED ?? "ddi";
  const until = performance.now() + Number(values.minutes) * 60_000;
  const strays: unknown[] = [];
  process.on("uncaughtException", (error) => strays.push(error)).on("unhandledRejection", (error) => strays.push(error));
  await using ddi = await ddiWorld();
  await ddi.release("3.0.0");
  const counts: Counts = {
    requests: 0,
    broken: 0,
    installed: 0,
    deaths: 0,
    memoryMb: { before: 0, after: 0 },
    requestsPerS: 0,
    statuses: {},
  };
  const began = performance.now();
  for (let turn = 0; counts.requests < runs && performance.now() < until; turn++) {
    const requests = Math.min(round, runs - counts.requests);
    const found = await fuzzDevice(ddi, { id: `fuzzed-${turn}`, requests, seed: `${seed} ${turn}` });
    counts.requests += requests;
    counts.broken += found.broken.length;
    counts.installed += found.installed;
    for (const [status, n] of Object.entries(found.statuses)) counts.statuses[status] = (counts.statuses[status] ?? 0) + n;
    for (const line of found.broken) console.log(`${seed} ${turn}: ${line}`);
    for (const stray of strays.splice(0)) {
      counts.deaths += 1;
      console.log(`${seed} ${turn}: ${describeError(stray)}`);
    }
    // The first round fills caches and compiles code; memory is compared from then on.
    counts.memoryMb.after = memoryMb();
    if (turn === 0) counts.memoryMb.before = counts.memoryMb.after;
    console.log(
      `${counts.requests} requests, ${counts.broken} broken, ${counts.installed} installed, ${counts.deaths} deaths, ${counts.memoryMb.after} MB`,
    );
  }
  return { ...counts, requestsPerS: Math.round((1_000 * counts.requests) / (performance.now() - began)) };
}

function memoryMb(): number {
  setFlagsFromString("--expose-gc");
  // With the flag set, a new context has the collector as a global.
  (runInNewContext("gc") as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return Math.round((heapUsed + external) / 104_857.6) / 10;
}

async function fuzzDevice(ddi: DdiWorld, { id, requests, seed }: { id: string; requests: number; seed: string }) {
  const device = await ddi.device(id);
  const rollout = await ddi.offer("3.0.0", device.id);
  const href: string = (await device.poll()).json._links.deploymentBase.href;
  const { json } = await device.askUrl(href);
  const [{ filename }] = json.deployment.chunks[0].artifacts;
  const { statuses, broken } = await fuzz(device, { action: json.id, filename, requests, seed });
  return { statuses, broken, installed: (await ddi.deployment(device.id, rollout)).state === "succeeded" ? 1 : 0 };
}
