import assert from "node:assert/strict";
import { test } from "node:test";
import { evidenceGate, haltOf, partsOf, shareGate, stageName, stageReach } from "./ladder.ts";

const sum = (parts: { n: number }[]) => parts.reduce((total, { n }) => total + n, 0);

test("the parts of a rung add up to the devices of its stage", () => {
  const parts = partsOf({ succeeded: 31, downloading: 6, rebooting: 4, failed: 1, queued: 4 }, 46);
  assert.equal(sum(parts), 46);
  assert.equal(parts.find(({ word }) => word === "Updating")?.n, 10);
  assert.equal(parts.find(({ word }) => word === "Waiting")?.n, 4);
});

test("a stage that has not begun waits as a whole", () => {
  assert.deepEqual(
    partsOf({}, 40)
      .filter(({ n }) => n > 0)
      .map(({ word, n }) => [word, n]),
    [["Waiting", 40]],
  );
});

test("silence and falling back harm like failing, and devices without an offer do not count", () => {
  const gate = shareGate(
    { devices: 12, state: "halted", counts: { unresponsive: 1, rolled_back: 1, succeeded: 8, cancelled: 2 } },
    0.05,
  );
  assert.equal(gate.value, 0.2);
  assert.ok(gate.closed);
  assert.equal(gate.words, "2 of 10 harmed (20 %), halts above 5 %");
});

test("a share right at the limit keeps the gate open", () => {
  assert.ok(!shareGate({ devices: 20, state: "running", counts: { failed: 1 } }, 0.05).closed);
});

test("the sequential gate is shown only where a decision carries its evidence", () => {
  assert.equal(evidenceGate(undefined), undefined);
  assert.equal(evidenceGate({ devices: 10 }), undefined);
  assert.ok(evidenceGate({ logE: 5.2, haltAtLogE: Math.log(100) })?.closed);
});

test("the decision that halted is found by its stage", () => {
  const decisions = [
    { at: "2026-11-22T12:00:00Z", decision: "stage_begun", because: "", stage: 0 },
    { at: "2026-11-22T12:01:00Z", decision: "halted", because: "2 of 10 fell silent.", stage: 0 },
  ];
  assert.equal(haltOf(decisions, 0)?.because, "2 of 10 fell silent.");
  assert.equal(haltOf(decisions, 1), undefined);
});

test("stages are named by what they are for", () => {
  assert.equal(stageName({ index: 0, share: 0.05 }), "Canary");
  assert.equal(stageName({ index: 1, share: 0.25 }), "Stage 2");
  assert.equal(stageName({ index: 2, share: 1 }), "Everyone");
  assert.equal(stageReach({ index: 1, share: 0.25, devices: 40 }), "up to 25 % · 40 more");
});
