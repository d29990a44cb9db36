import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "@tenfold/base";
import { haltAtLogE, judgeGates, judgeRestores, logEvidence } from "./gate.ts";
import { emptyTally, type Tally } from "./rollout.ts";

const unguarded = { guardRule: { watch: [], falseHalts: 0.002, least: 3 }, guards: [] };
const tally = (over: Partial<Tally>): Tally => ({ ...emptyTally(), ...over });
const stageOf = (devices: number, harmed: number, succeeded = devices - harmed): Tally =>
  tally({ devices, harmed, succeeded, queued: devices - harmed - succeeded });

/** After how many exposed devices the sequential gate halts at a true failure rate; undefined when it never does. */
function exposedAtHalt(rate: number, { random, most }: { random: () => number; most: number }): number | undefined {
  let harmed = 0;
  for (let exposed = 1; exposed <= most; exposed++) {
    if (random() < rate) harmed += 1;
    // Evidence only grows with a failure.
    if (harmed > 0 && logEvidence(harmed, exposed) >= haltAtLogE) return exposed;
  }
  return undefined;
}

function runs(rate: number, { count, most }: { count: number; most: number }): (number | undefined)[] {
  const random = seededRandom(`gate ${rate}`);
  return Array.from({ length: count }, () => exposedAtHalt(rate, { random, most }));
}

const median = (numbers: number[]) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.POSITIVE_INFINITY;

test("of healthy rollouts, at most 1 in 100 is halted, however often one looks", () => {
  const halted = runs(0.01, { count: 300, most: 2_000 }).filter((at) => at !== undefined);
  assert.ok(halted.length <= 3, `${halted.length} of 300`);
});

test("a bad release is caught after few devices: 20 % failures by the 15th, 10 % by the 40th, in the median", () => {
  const caught = (rate: number) => median(runs(rate, { count: 300, most: 2_000 }).map((at) => at ?? Number.POSITIVE_INFINITY));
  assert.ok(caught(0.2) <= 15, `${caught(0.2)}`);
  assert.ok(caught(0.1) <= 40, `${caught(0.1)}`);
  assert.ok(caught(0.5) <= 5, `${caught(0.5)}`);
});

test("evidence grows with every failure and shrinks with every success", () => {
  for (let exposed = 1; exposed < 60; exposed++) {
    for (let harmed = 0; harmed < exposed; harmed++) {
      assert.ok(logEvidence(harmed + 1, exposed) > logEvidence(harmed, exposed));
      assert.ok(logEvidence(harmed, exposed + 1) < logEvidence(harmed, exposed));
    }
  }
  assert.equal(Math.round(logEvidence(0, 0) * 1e9), 0);
});

test("the first failure of a large stage halts nothing, and the failure of a canary of one halts", () => {
  const large = tally({ devices: 100, harmed: 1, inFlight: 2, queued: 97 });
  assert.equal(judgeGates({ stage: large, stages: [large], haltAbove: 0.05, ...unguarded }).is, "green");
  const single = stageOf(1, 1);
  const verdict = judgeGates({ stage: single, stages: [single], haltAbove: 0.05, ...unguarded });
  assert.deepEqual([verdict.is, verdict.is === "halt" && verdict.gate], ["halt", "share"]);
});

test("the share is of devices that take part: skipped ones make it no smaller", () => {
  const stage = tally({ devices: 40, skipped: 30, harmed: 1, succeeded: 9 });
  const verdict = judgeGates({ stage, stages: [stage], haltAbove: 0.05, ...unguarded });
  assert.equal(verdict.evidence.stageDevices, 10);
  assert.equal(verdict.is, "halt");
});

test("the sequential gate halts where the plan's own share would let go on", () => {
  const stages = [stageOf(50, 5), stageOf(50, 5)];
  const stage = stages[1] ?? emptyTally();
  const verdict = judgeGates({ stage, stages, haltAbove: 0.2, ...unguarded });
  assert.deepEqual(verdict.is === "halt" && verdict.gate, "sequential");
});

test("early bad news is not taken for the whole truth: devices still on their way count as unharmed", () => {
  const stage = tally({ devices: 1_000, harmed: 3, inFlight: 497, queued: 500 });
  assert.equal(judgeGates({ stage, stages: [stage], haltAbove: 0.05, ...unguarded }).is, "green");
});

test("a rollback that fails on most devices is stopped, and one failure among many does not stop it", () => {
  assert.equal(judgeRestores(stageOf(4, 3)).is, "halt");
  assert.equal(judgeRestores(stageOf(10, 1)).is, "green");
});
