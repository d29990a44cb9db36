/**
 * How soon the gate of a rollout halts, and how seldom by mistake: ours (anytime-valid, docs/operate/rollouts.md) beside the usual rule
 * "more than 5 % of the group failed", on the same devices.
 */
import { seededRandom } from "@tenfold/base";
import { guardName, guardPlan } from "@tenfold/contracts";
import { haltAtLogEBeside, logEvidence } from "../apps/platform/src/rollouts/gate.ts";
import { playRollout, type Scenario } from "./guards.ts";
import { atLeast, atMost, type BenchResult } from "./result.ts";

/** As a rollout by the default plan has it: guards have their part of the 1 %. */
const haltAtLogE = haltAtLogEBeside({ watch: guardName.options, falseHalts: guardPlan.parse({}).falseHalts });

const rates = [0.01, 0.03, 0.05, 0.1, 0.2, 0.5];
const runs = 1_000;
const most = 5_000;
const rollouts = 300;
/** Small fleets are cheap to play, and there a false halt is rarer than 300 can show. */
const rolloutsOfSmall = 1_500;
const groups = [1_000, 100];

/** After how many exposed devices each rule halts; undefined where it never does. */
type Run = { sequential: number | undefined; share: (number | undefined)[] };

function runOnce(rate: number, random: () => number): Run {
  let harmed = 0;
  const run: Run = { sequential: undefined, share: groups.map(() => undefined) };
  for (let exposed = 1; exposed <= most; exposed++) {
    const failed = random() < rate;
    if (failed) harmed += 1;
    // Either rule can only be tripped by a failure.
    if (!failed) continue;
    groups.forEach((group, i) => {
      if (exposed <= group && harmed / group > 0.05) run.share[i] ??= exposed;
    });
    if (run.sequential === undefined && logEvidence(harmed, exposed) >= haltAtLogE) run.sequential = exposed;
    if (run.sequential !== undefined && exposed >= Math.max(...groups)) break;
  }
  return run;
}

type Column = { stopped: number; median: number; p95: number };

function columnOf(halts: (number | undefined)[]): Column {
  const stopped = halts.filter((at) => at !== undefined).toSorted((a, b) => a - b);
  const at = (share: number) => stopped[Math.min(stopped.length - 1, Math.floor(share * stopped.length))] ?? 0;
  return { stopped: stopped.length / halts.length, median: at(0.5), p95: at(0.95) };
}

const show = ({ stopped, median, p95 }: Column) => `${stopped.toFixed(3)}; ${median} (${p95})`.padEnd(22);

export async function run(): Promise<BenchResult> {
  const figures: Record<string, number> = {};
  console.log(`\n${runs} runs a row, at most ${most} devices; share of runs that halt; median devices exposed (95th percentile)`);
  console.log(`failure rate  ${"sequential gate".padEnd(22)}${groups.map((group) => `> 5 % of ${group}`.padEnd(22)).join("")}`);
  for (const rate of rates) {
    const random = seededRandom(`gates ${rate}`);
    const all = Array.from({ length: runs }, () => runOnce(rate, random));
    const sequential = columnOf(all.map((one) => one.sequential));
    const shares = groups.map((_, i) => columnOf(all.map((one) => one.share[i])));
    const name = `${rate * 100} %`;
    console.log(`${name.padEnd(14)}${show(sequential)}${shares.map(show).join("")}`);
    Object.assign(figures, { [`halts at ${name}`]: sequential.stopped, [`median exposed at ${name}`]: sequential.median });
    groups.forEach((group, i) => {
      Object.assign(figures, {
        [`halts at ${name}, > 5 % of ${group}`]: shares[i]?.stopped ?? 0,
        [`median exposed at ${name}, > 5 % of ${group}`]: shares[i]?.median ?? 0,
      });
    });
  }
  Object.assign(figures, guardTable());
  const aims = {
    "false halts of all gates, healthy": atMost(figures["halts, healthy"] ?? 1, 0.01),
    "false halts of all gates, region-wide outage": atMost(figures["halts, region-wide outage"] ?? 1, 0.01),
    "false halts of all gates, region-wide outage and no failures": atMost(
      figures["halts, region-wide outage, no device fails"] ?? 1,
      0,
    ),
    "false halts of all gates, region-wide outage, 100 devices": atMost(
      figures["halts, region-wide outage, 100 devices"] ?? 1,
      0.01,
    ),
    "false halts of all gates, healthy, 100 devices": atMost(figures["halts, healthy, 100 devices"] ?? 1, 0.01),
    "leak of 10 % an hour is caught": atLeast(figures["halts, leak of 10 % an hour"] ?? 0, 0.99),
    "leak of 10 % an hour, median exposed of 1,000": atMost(figures["median exposed, leak of 10 % an hour"] ?? most, 50),
    "false halts at 1 %": atMost(figures["halts at 1 %"] ?? 1, 0.01),
    "median exposed at 10 %": atMost(figures["median exposed at 10 %"] ?? most, 40),
    "median exposed at 20 %": atMost(figures["median exposed at 20 %"] ?? most, 15),
  };
  return { bench: "gates", figures, aims };
}

const fleet = { devices: 1_000, stages: [0.05, 0.25, 1], weather: "fair", failure: 0.01 } as const;
const small = { ...fleet, devices: 100 } as const;
const scenarios: Record<string, Scenario> = {
  healthy: fleet,
  "healthy, 100 devices": small,
  "region-wide outage": { ...fleet, weather: "outage" },
  "region-wide outage, no device fails": { ...fleet, weather: "outage", failure: 0 },
  "region-wide outage, 100 devices": { ...small, weather: "outage" },
  "leak of 1 % an hour": { ...fleet, leak: 0.01 },
  "leak of 3 % an hour": { ...fleet, leak: 0.03 },
  "leak of 10 % an hour": { ...fleet, leak: 0.1 },
  "leak of 10 % an hour, 100 devices": { ...small, leak: 0.1 },
  "leak of 10 % an hour in an outage": { ...fleet, leak: 0.1, weather: "outage" },
  "battery drains 1 % more an hour": { ...fleet, drain: 0.01 },
  "battery drains 3 % more an hour": { ...fleet, drain: 0.03 },
  "a crash in 10 hours": { ...fleet, crashes: 0.1 },
  "a crash an hour": { ...fleet, crashes: 1 },
  "leak of 10 % an hour, guards off": { ...fleet, leak: 0.1, guards: "off" },
};

/** All gates over whole rollouts of a made-up fleet (guards.ts): how many halt, why, and after how many devices. */
function guardTable(): Record<string, number> {
  const figures: Record<string, number> = {};
  console.log(
    `\n${rollouts} rollouts a row, ${rolloutsOfSmall} where the fleet has ${small.devices} devices, 5 % → 25 % → 100 % of 1,000, 1 % of devices fail, soak 1 h; share that halt; median devices exposed; by what`,
  );
  for (const [name, scenario] of Object.entries(scenarios)) {
    const count = scenario.devices > small.devices ? rollouts : rolloutsOfSmall;
    const played = Array.from({ length: count }, (_, i) => playRollout(scenario, `${name} ${i}`));
    const halted = played.filter((one) => one.halted !== "no");
    const exposed = halted.map((one) => one.exposed).toSorted((a, b) => a - b);
    const median = exposed[Math.floor(exposed.length / 2)] ?? 0;
    const by = Map.groupBy(halted, (one) => one.halted);
    Object.assign(figures, { [`halts, ${name}`]: halted.length / count, [`median exposed, ${name}`]: median });
    console.log(
      `${name.padEnd(40)}${(halted.length / count).toFixed(4)}; ${String(median).padStart(4)}   ${[...by].map(([gate, of]) => `${gate} ${of.length}`).join(", ")}`,
    );
  }
  return figures;
}
