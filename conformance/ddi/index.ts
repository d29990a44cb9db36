import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describeError } from "@tenfold/base";
import { type Found, fuzz } from "./fuzz.ts";
import { ddiPipeline } from "./pipeline.ts";
import { type DdiWorld, ddiWorld, feedback } from "./world.ts";

/** So few requests a device, because a mutation that closes its action ends what the ones after it can reach. */
const round = 1_000;
/** Devices under way at once. */
const lanes = 4;
const tellEvery = 10_000;

/** `memoryMb`: what lives after a collection, in the process that holds the platform and the client, after the first 10,000 requests and at the end. */
type Counts = {
  requests: number;
  broken: number;
  installed: number;
  deaths: number;
  memoryMb: { before: number; after: number };
  requestsPerS: number;
  answers: Record<string, number>;
};

/**
 * `npm run conformance -- ddi [--runs 1000000] [--seed TEXT] [--minutes 60]`: mutated DDI requests against a whole platform over mutual TLS. The seed
 * decides every request. Ends early, with what it has, when the minutes are over. The rules themselves are in ddi.test.ts.
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
  await using ddi = await ddiWorld({ TENFOLD_ROLLOUT_TICK: "500ms" });
  await ddi.release("3.0.0");
  const counts = nothing();
  const began = performance.now();
  let turn = 0;
  let told = 0;
  // Turn after turn, so that the platform gives a turn the same action in every run.
  const open = inOrder((id: string) => openRound(ddi, id));
  const lane = async () => {
    while (turn * round < runs && performance.now() < until) {
      const requests = Math.min(round, runs - turn * round);
      const name = `${seed} ${turn}`;
      const halts = turn % 3 === 2;
      const target = await open(`fuzzed-${turn++}`);
      const halfway = halts ? () => ddi.halt(target.rollout) : undefined;
      const found = await fuzz(target.pipeline, { ...target, requests, seed: name, until, ...(halfway ? { halfway } : {}) });
      note(counts, { name, found, installed: await target.end(), strays: strays.splice(0) });
      if (counts.requests >= told + tellEvery || counts.requests === runs) {
        told = counts.requests;
        tell(counts);
      }
      ddi.world.logged.length = 0;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return { ...counts, requestsPerS: Math.round((1_000 * counts.requests) / (performance.now() - began)) };
}

const nothing = (): Counts => ({
  requests: 0,
  broken: 0,
  installed: 0,
  deaths: 0,
  memoryMb: { before: 0, after: 0 },
  requestsPerS: 0,
  answers: {},
});

/** A new device that has read what it is to do. */
async function openRound(ddi: DdiWorld, id: string) {
  const device = await ddi.device(id);
  const rollout = await ddi.offer("3.0.0", id);
  const href: string = (await device.poll()).json._links.deploymentBase.href;
  const { json } = await device.askUrl(href);
  const [{ filename }] = json.deployment.chunks[0].artifacts;
  const pipeline = ddiPipeline(ddi.world, device.credentials);
  return {
    pipeline,
    rollout,
    action: String(json.id),
    filename: String(filename),
    /** How many installs there were; and the device gives up, so that its rollout does not go on. */
    async end() {
      for (const link of ["deploymentBase", "cancelAction"])
        await device.ask(`/${link}/${json.id}/feedback`, feedback("closed", "failure"));
      await device.ask(`/cancelAction/${json.id}/feedback`, feedback("canceled", "none"));
      device.close();
      pipeline.close();
      return (await ddi.deployment(id, rollout)).state === "succeeded" ? 1 : 0;
    },
  };
}

/** Calls that wait for the one before them. */
function inOrder<A, T>(work: (of: A) => Promise<T>): (of: A) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (of) => {
    const mine = last.then(() => work(of));
    last = mine.catch(() => {});
    return mine;
  };
}

type Round = { name: string; found: Found; installed: number; strays: unknown[] };

function note(counts: Counts, { name, found, installed, strays }: Round): void {
  counts.requests += found.sent;
  counts.broken += found.broken.length;
  counts.installed += installed;
  counts.deaths += strays.length;
  for (const [answer, n] of Object.entries(found.answers)) counts.answers[answer] = (counts.answers[answer] ?? 0) + n;
  for (const line of [...found.broken, ...strays.map(describeError)]) console.log(`${name}: ${line}`);
}

/** The first requests fill caches and compile code; memory is compared from then on. */
function tell(counts: Counts): void {
  counts.memoryMb.after = memoryMb();
  counts.memoryMb.before ||= counts.memoryMb.after;
  const { requests, broken, installed, deaths, memoryMb: memory } = counts;
  console.log(`${requests} requests, ${broken} broken, ${installed} installed, ${deaths} deaths, ${memory.after} MB`);
}

function memoryMb(): number {
  setFlagsFromString("--expose-gc");
  // With the flag set, a new context has the collector as a global.
  (runInNewContext("gc") as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return Math.round((heapUsed + external) / 104_857.6) / 10;
}
