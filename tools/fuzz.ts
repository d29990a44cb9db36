/**
 * `npm run test:fuzz [-- TARGET …] [--runs 1000000] [--seed TEXT] [--minutes 60]`: seeded hostile input for every parser that faces a network, and for the
 * MQTT and EST endpoints. Inputs that failed are kept in tools/fuzz/seeds and tried first. Exit code 1 on a death, a hang, a 5xx, or memory
 * that does not come back. Ends early, with what it has, when the minutes are over.
 */

import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describeError, seededRandom } from "@tenfold/base";
import { certificateTargets } from "./fuzz/certificates.ts";
import { estTarget } from "./fuzz/est.ts";
import { hardwareTargets } from "./fuzz/hardware.ts";
import { metadataTargets } from "./fuzz/metadata.ts";
import { mqttTargets } from "./fuzz/mqtt.ts";
import { payloadTargets } from "./fuzz/payloads.ts";
import { pipelineTargets } from "./fuzz/pipelines.ts";
import { keepSeed, keptSeeds } from "./fuzz/seeds.ts";
import type { OpenTarget, Target } from "./fuzz/target.ts";
import { textTargets } from "./fuzz/texts.ts";
import { startWatchdog } from "./fuzz/watchdog.ts";

const all: Target[] = [
  ...payloadTargets,
  ...textTargets,
  ...certificateTargets,
  ...metadataTargets,
  ...pipelineTargets,
  ...hardwareTargets,
  ...mqttTargets,
  estTarget,
];
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string", default: "100000" },
    seed: { type: "string", default: "tenfold" },
    minutes: { type: "string", default: "120" },
  },
});
const targets = all.filter(({ name }) => positionals.length === 0 || positionals.some((word) => name.includes(word)));
const runs = Number(values.runs);
if (targets.length === 0 || !Number.isSafeInteger(runs) || runs < 1) {
  console.error(`Name one of ${all.map(({ name }) => name).join(", ")}, and --runs as a whole number.`);
  process.exit(1);
}

const megabyte = 1024 * 1024;
/** What one target may leave behind: caches of the engine, compiled code. */
const mostGrowth = 24 * megabyte;
const checkEvery = 500;
setFlagsFromString("--expose-gc");
// With the flag set, a new context has the collector as a global.
const collect = runInNewContext("gc") as () => void;

const until = performance.now() + Number(values.minutes) * 60_000;
const watchdog = startWatchdog();
const strays: unknown[] = [];
process.on("uncaughtException", (error) => strays.push(error)).on("unhandledRejection", (error) => strays.push(error));

const weights = targets.reduce((sum, { weight }) => sum + weight, 0);
const total = { inputs: 0, deaths: 0, grown: 0 };
for (const target of targets) {
  const share = Math.max(1, Math.round((runs * target.weight) / weights));
  const told = await fuzz(target, share).catch((error: unknown) => {
    console.log(`✗ ${target.name}: ${describeError(error)}`);
    return { inputs: 0, deaths: 1, grown: 0 };
  });
  total.inputs += told.inputs;
  total.deaths += told.deaths;
  total.grown += told.grown > mostGrowth ? 1 : 0;
}
await watchdog.stop();
console.log(JSON.stringify(total));
process.exit(total.deaths === 0 && total.grown === 0 ? 0 : 1);

async function fuzz(target: Target, inputs: number): Promise<{ inputs: number; deaths: number; grown: number }> {
  const began = performance.now();
  const seeds = [...keptSeeds(target.name), ...Array.from({ length: inputs }, (_, i) => `${values.seed} ${i}`)];
  const failures: string[] = [];
  let before = 0;
  let after = 0;
  let tried = 0;
  {
    await using open = await target.open();
    // The first inputs fill caches and compile code; memory is compared from then on.
    const warmUp = Math.min(seeds.length, 500);
    for (const [i, seed] of seeds.entries()) {
      if (performance.now() > until) break;
      if (i === warmUp - 1) before = await memory();
      const death = await tryOne(target.name, open, { seed, checked: i % checkEvery === checkEvery - 1 ? "alive" : "answer" });
      tried += 1;
      if (death !== undefined) failures.push(`"${seed}": ${death}`);
      if (failures.length >= 20) break;
    }
    after = await memory();
  }
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  const megabytes = (bytes: number) => (bytes / megabyte).toFixed(1);
  const good = failures.length === 0 && after - before <= mostGrowth;
  console.log(
    `${good ? "✓" : "✗"} ${target.name.padEnd(18)} ${String(tried).padStart(8)} inputs, ${failures.length} deaths, memory ${megabytes(before)} → ${megabytes(after)} MB (${seconds} s)`,
  );
  for (const failure of failures) console.log(`    ${failure}`);
  return { inputs: tried, deaths: failures.length, grown: after - before };
}

type Try = { seed: string; checked: "alive" | "answer" };

/** Why this input is a death, or undefined. A seed that fails is kept. */
async function tryOne(name: string, open: OpenTarget, { seed, checked }: Try): Promise<string | undefined> {
  watchdog.trying(name, seed);
  try {
    await open.attack(seededRandom(`${name} ${seed}`));
    if (checked === "alive") await open.assertAlive?.();
    const [stray] = strays.splice(0);
    if (stray === undefined) return undefined;
    throw stray;
  } catch (error) {
    keepSeed(name, seed);
    return error instanceof Error ? (error.stack ?? error.message).split("\n").slice(0, 4).join(" | ") : String(error);
  }
}

/** What lives after a collection, in bytes: the heap, and buffers outside of it. */
async function memory(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
