import assert from "node:assert/strict";
import { test } from "node:test";
import { gatesOf, otherFacts } from "./evidence.ts";

const evidence = {
  ...{ stageDevices: 10, stageHarmed: 3, stageShare: 0.3, haltAbove: 0.05, exposed: 12, harmed: 3, logE: 2, haltAtLogE: 4.8 },
  guards: [
    { guard: "crashes", compared: 8, logE: 9, haltAtLogE: 7.8, least: 3, counts: [], exposedMedian: 2, controlMedian: 0 },
    { guard: "memory", compared: 0, logE: 0, haltAtLogE: 7.8, least: 3, counts: [], exposedMedian: null, controlMedian: null },
  ],
};

test("each gate of a decision is read as its value against its mark, and a guard that compared nobody says nothing", () => {
  const gates = gatesOf(evidence);
  assert.deepEqual(
    gates.map(({ name, closed }) => [name, closed]),
    [
      ["Harmed share", true],
      ["Evidence", false],
      ["Guard: crashes", true],
    ],
  );
  assert.match(gates[0]?.words ?? "", /3 of 10 harmed \(30 %\), halts above 5 %/);
  assert.match(gates[2]?.words ?? "", /8 devices compared/);
});

test("a decision without gates has facts only, and what is nested stays in the whole evidence", () => {
  const decision = { targets: 200, stages: [10, 40, 150], planHash: "ab12", deep: { inner: 1 } };
  assert.deepEqual(gatesOf(decision), []);
  assert.deepEqual(otherFacts(decision), [
    ["targets", "200"],
    ["stages", "10, 40, 150"],
    ["plan hash", "ab12"],
  ]);
});
