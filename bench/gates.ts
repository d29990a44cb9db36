/**
 * How soon the gate of a rollout halts, and how seldom by mistake: ours (anytime-valid, docs/operate/rollouts.md) beside the usual rule
 * "more than 5 % of the group failed", on the same devices.
 */
import { seededRandom } from "@tenfold/base";
import { haltAtLogE, logEvidence } from "../apps/platform/src/rollouts/gate.ts";
import { atMost, type BenchResult } from "./result.ts";

const rates = [0.01, 0.03, 0.05, 0.1, 0.2, 0.5];
const runs = 1_000;
const most = 5_000;
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
  const aims = {
    "false halts at 1 %": atMost(figures["halts at 1 %"] ?? 1, 0.01),
    "median exposed at 10 %": atMost(figures["median exposed at 10 %"] ?? most, 40),
    "median exposed at 20 %": atMost(figures["median exposed at 20 %"] ?? most, 15),
  };
  return { bench: "gates", figures, aims };
}
