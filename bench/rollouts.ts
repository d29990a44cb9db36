/**
 * Rollouts: what it costs to make one over 100,000 devices and to look at it when nothing or 500 things changed; the whole controller simulated
 * on a virtual clock, and the bugs that are planted in it to see whether the simulation finds them; and what strata are worth.
 * `--parts=scale,strata,simulation,hunt,way-back` runs some of it; `--runs=2500 --from=5000` simulates some of the seeds (10,000 from 0).
 */
import { setImmediate as turn } from "node:timers/promises";
import { seededRandom } from "@tenfold/base";
import { gatherDocuments } from "../apps/platform/src/links/gather.ts";
import { haltAtLogE, logEvidence } from "../apps/platform/src/rollouts/gate.ts";
import { placeDevices } from "../apps/platform/src/rollouts/membership.ts";
import { emptyTally } from "../apps/platform/src/rollouts/rollout.ts";
import { mutants } from "../apps/platform/src/rollouts/simulation/mutants.ts";
import { hunt } from "../apps/platform/src/rollouts/simulation/mutate.shell.ts";
import { measureWayBack } from "../apps/platform/src/rollouts/simulation/way-back.ts";
import { simulate } from "../apps/platform/src/rollouts/simulation/world.ts";
import { judgeStrata } from "../apps/platform/src/rollouts/strata.ts";
import { addDevices, devicesInFlight, hashOf, lookNow, pretendFleet, scope, who } from "../apps/platform/src/rollouts/testing.ts";
import { rollBackRollout } from "../apps/platform/src/rollouts/writes.shell.ts";
import { option } from "./options.ts";
import { atLeast, atMost, type BenchResult } from "./result.ts";

const sizes = [1_000, 10_000, 100_000];
const changes = 500;

const parts = {
  scale: async () => Object.assign({}, ...(await measureSizes())),
  strata: async () => measureStrata(),
  simulation: simulateMany,
  "way-back": measureWaysBack,
  hunt: huntAll,
} satisfies Record<string, () => Promise<Record<string, number>>>;
type Part = keyof typeof parts;

export async function run(): Promise<BenchResult> {
  const wanted = option("parts", Object.keys(parts).join(",")).split(",");
  const figures: Record<string, number> = {};
  for (const name of Object.keys(parts) as Part[]) if (wanted.includes(name)) Object.assign(figures, await parts[name]());
  return { bench: "rollouts", figures, aims: aimsOf(figures) };
}

/** Of the parts that ran. */
function aimsOf(figures: Record<string, number>): BenchResult["aims"] {
  const of = (name: string) => figures[name] ?? Number.NaN;
  const ratio = (what: string) => of(`${what}, 100,000 devices, ms`) / Math.max(0.001, of(`${what}, 1,000 devices, ms`));
  const all = {
    "created over 100,000 devices, s": atMost(of("creation, 100,000 devices, ms") / 1_000, 10),
    "halted over 100,000 devices, s": atMost(of("halt, 100,000 devices, ms") / 1_000, 10),
    "why, 100,000 devices, ms": atMost(of("why is this device not updated, 100,000 devices, ms"), 100),
    "idle look, 100,000 against 1,000": atMost(ratio("look with 0 changes"), 3),
    "look with 500 changes, 100,000 against 1,000": atMost(ratio("look with 500 changes"), 3),
    "broken promises": atMost(of("simulated runs that broke a promise"), 0),
    "planted bugs not found": atMost(of("planted bugs") - of("planted bugs found"), 0),
    "reachable devices back within two polls, share": atLeast(of("reachable exposed devices back within two polls, share"), 0.99),
    "exposed without strata, against with": atLeast(
      of("exposed until the halt, without strata") / of("exposed until the halt, with strata"),
      10,
    ),
  };
  return Object.fromEntries(Object.entries(all).filter(([, { value }]) => !Number.isNaN(value)));
}

async function measureSizes(): Promise<Record<string, number>[]> {
  const measured: Record<string, number>[] = [];
  for (const size of sizes) {
    const turns: Record<string, number>[] = [];
    for (let turn = 0; turn < 3; turn++) turns.push(await measureSize(size));
    measured.push(medians(turns));
  }
  return measured;
}

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const began = performance.now();
  await work();
  return performance.now() - began;
};
const median = (times: number[]): number => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;

const medians = (turns: readonly Record<string, number>[]): Record<string, number> =>
  Object.fromEntries(Object.keys(turns[0] ?? {}).map((name) => [name, median(turns.map((turn) => turn[name] ?? Number.NaN))]));

async function measureSize(size: number): Promise<Record<string, number>> {
  await using fleet = await pretendFleet({ devices: 1 });
  const { db, clock, rollouts } = fleet;
  await addDevices(db, { count: size - 1, at: clock.time });
  await fleet.release("1.0.0");
  await fleet.release("2.0.0");
  // The links read what devices are told: many at once, as in the product.
  const ask = gatherDocuments(async (devices, of) => written(await rollouts.nextOf(devices, of)), turn);
  const read: Promise<unknown>[] = [];
  fleet.link.refresh = (device, topic) => read.push(ask(device, scope, topic)) > 0;
  const lookAndTell = async () => {
    await rollouts.reconcile();
    await Promise.all(read.splice(0));
  };
  let id = "";
  const creation = await timed(async () => {
    id = (await fleet.start({ release: "2.0.0", stages: [{ share: 1 }], atOnce: changes, deadline: "PT8H" })).id;
  });
  for (let i = 0; i < 4; i++) await lookAndTell();
  const look = () => lookNow(db, { id, at: clock.time });
  const idle: number[] = [];
  const why: number[] = [];
  for (let i = 0; i < 9; i++) {
    clock.time += 1_000;
    await look();
    idle.push(await timed(lookAndTell));
    why.push(await timed(() => rollouts.explain(scope, { device: `x${Math.floor(size / 2) + i}` })));
  }
  // One such look a rollout: 500 verified boots and 500 new offers. A second one would find too few waiting among 1,000 devices, and compare
  // less work with more.
  const devices = await devicesInFlight(db, { id, limit: changes });
  clock.time += 60_000;
  await rollouts.observeHeartbeats(
    devices.map((device) => ({
      device,
      scope,
      at: clock.time,
      heartbeat: { bootId: `new-${device}`, firmware: { version: "2.0.0", hash: hashOf("2.0.0"), state: "confirmed" as const } },
    })),
  );
  const busy = await timed(lookAndTell);
  const offered = (await devicesInFlight(db, { id, limit: changes + 1 })).length;
  if (devices.length !== changes || offered !== changes)
    throw new Error(`${devices.length} devices changed and ${offered} were offered instead, not ${changes}`);
  // The worst moment: nearly the whole fleet still waits.
  const halt = await timed(() => rollBackRollout(fleet.deps, who, { id, reason: "measured" }));
  const name = `${size.toLocaleString("en")} devices, ms`;
  const found = {
    [`creation, ${name}`]: creation,
    [`look with 0 changes, ${name}`]: median(idle),
    [`look with 500 changes, ${name}`]: busy,
    [`why is this device not updated, ${name}`]: median(why),
    [`halt, ${name}`]: halt,
  };
  console.log(
    `  ${size} devices: made in ${Math.round(creation)} ms; a look with 0 changes ${median(idle).toFixed(1)} ms, with ${changes} changes ${busy.toFixed(0)} ms; why ${median(why).toFixed(1)} ms; halted in ${Math.round(halt)} ms`,
  );
  return found;
}

const written = (documents: ReadonlyMap<string, object>): Map<string, string> =>
  new Map([...documents].map(([device, document]) => [device, JSON.stringify(document)]));

async function simulateMany(): Promise<Record<string, number>> {
  const [runs, from] = [Number(option("runs", "10000")), Number(option("from", "0"))];
  const began = performance.now();
  let [broken, crashes, rows] = [0, 0, 0];
  for (let i = from; i < from + runs; i++) {
    const outcome = await simulate(`bench-${i}`);
    crashes += outcome.crashes;
    rows += outcome.offers;
    if (outcome.broken.length === 0) continue;
    broken += 1;
    console.log(`  seed bench-${i}: ${outcome.broken[0]}`);
  }
  const seconds = (performance.now() - began) / 1_000;
  console.log(
    `  ${runs} runs simulated in ${Math.round(seconds)} s: ${rows} deployments, ${crashes} deaths of a server, ${broken} runs broke a promise`,
  );
  return {
    "simulated runs": runs,
    "simulated deaths of a server": crashes,
    "simulated deployments": rows,
    "simulated runs that broke a promise": broken,
    "simulation, s": seconds,
  };
}

async function measureWaysBack(): Promise<Record<string, number>> {
  const runs = 100;
  let [exposed, reachable, back, halted] = [0, 0, 0, 0];
  for (let i = 0; i < runs; i++) {
    const one = await measureWayBack(`way-back-${i}`);
    if (one.broken.length > 0) console.log(`  seed way-back-${i}: ${one.broken[0]}`);
    if (one.halted === "yes") halted += 1;
    exposed += one.exposed;
    reachable += one.reachable;
    back += one.backInTime;
  }
  console.log(
    `  ${halted} of ${runs} rollouts of a release that is bad for 10 to 40 % were halted: ${exposed} devices exposed, ${reachable} of them reachable, ${back} of those back within two polls`,
  );
  return {
    "halted rollouts looked at": halted,
    "reachable exposed devices": reachable,
    "reachable exposed devices back within two polls, share": back / Math.max(1, reachable),
  };
}

async function huntAll(): Promise<Record<string, number>> {
  let found = 0;
  let seconds = 0;
  for (const mutant of mutants) {
    const one = await hunt(mutant, 1_500);
    seconds += one.ms / 1_000;
    if (one.found === "yes") found += 1;
    console.log(
      `  ${one.found === "yes" ? "✓" : "✗"} ${mutant.name.padEnd(58)} ${`${one.seeds} runs`.padStart(9)} ${(one.ms / 1_000).toFixed(1).padStart(6)} s  ${one.because}`,
    );
  }
  return { "planted bugs": mutants.length, "planted bugs found": found, "hunt, s": seconds };
}

/** A release that is bad for one kind of device in fifty: how many devices meet it before a gate closes, with the strata judged and without. */
function measureStrata(): Record<string, number> {
  const [kinds, perKind, runs] = [50, 200, 100];
  const members = Array.from({ length: kinds * perKind }, (_, i) => ({ device: `d${i}`, stratum: `model=m${i % kinds}` }));
  const exposed = { with: [] as number[], without: [] as number[] };
  for (let i = 0; i < runs; i++) {
    const random = seededRandom(`strata ${i}`);
    const fails = (stratum: string) => (stratum === "model=m7" ? random() < 0.9 : random() < 0.005);
    const shares = [0.05, 0.25, 1];
    exposed.with.push(untilHalt(placeDevices(`rol_${i}`, members, { shares, perStratum: 5 }), fails, "judged"));
    exposed.without.push(untilHalt(placeDevices(`rol_${i}`, members, { shares }), fails, "ignored"));
  }
  const figures = {
    "exposed until the halt, with strata": median(exposed.with),
    "exposed until the halt, without strata": median(exposed.without),
  };
  console.log(
    `  a release that is bad for one kind in ${kinds}: a median of ${figures["exposed until the halt, with strata"]} devices meet it where the plan names strata, ${figures["exposed until the halt, without strata"]} where it does not`,
  );
  return figures;
}

function untilHalt(
  order: readonly { stratum: string }[],
  fails: (stratum: string) => boolean,
  strata: "judged" | "ignored",
): number {
  const tallies = new Map(order.map(({ stratum }) => [stratum, { ...emptyTally(), stratum }]));
  let harmed = 0;
  for (const [i, { stratum }] of order.entries()) {
    const tally = tallies.get(stratum);
    const failed = fails(stratum);
    if (tally) tally[failed ? "harmed" : "succeeded"] += 1;
    if (failed) harmed += 1;
    if (!failed) continue;
    if (logEvidence(harmed, i + 1) >= haltAtLogE) return i + 1;
    if (strata === "judged" && judgeStrata([...tallies.values()]) !== undefined) return i + 1;
  }
  return order.length;
}
