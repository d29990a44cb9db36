import assert from "node:assert/strict";
import { test } from "node:test";
import { type Kpi, type Rollout, rolloutPlan } from "@tenfold/contracts";
import { type DemoFacts, judgeDemo, summarizeDemo } from "./verdict.ts";

const rollout = (part: Partial<Rollout>): Rollout => ({
  id: "rol_1",
  release: { id: "rel_1", name: "demo-firmware", version: "1.0.0" },
  plan: rolloutPlan.parse({ release: "1.0.0", stages: [{ share: 1 }] }),
  phase: "completed",
  because: "",
  since: "2026-01-01T00:00:00Z",
  targets: 20,
  stages: [{ index: 0, share: 0.15, devices: 3, state: "halted", counts: {} }],
  counts: {},
  harmed: 0,
  restored: 0,
  planHash: "",
  approvals: { needed: 0, given: [] },
  createdBy: "admin",
  createdAt: "2026-01-01T00:00:00Z",
  ...part,
});

const kpi = (name: Kpi["name"], value: number | null): Kpi => ({
  name,
  title: name,
  value,
  unit: "ms",
  target: 1,
  better: "lower",
  ok: true,
  n: 1,
  of: "x",
  from: "",
  to: "",
  asOf: "",
  beside: [],
  trend: [],
});

const kept: DemoFacts = {
  devices: 20,
  enrolled: 20,
  messages: 500,
  good: rollout({ counts: { succeeded: 20 } }),
  bad: rollout({ phase: "rolled_back", harmed: 2, restored: 3 }),
  harmedListed: ["a", "b"],
  firingAlertKinds: ["rollout_halted"],
  auditIntact: true,
  kpis: [kpi("uptime", 0.99), kpi("mttp", 30), kpi("data_lag", 812.4)],
  seconds: 61.23,
};

test("when everything went as promised, every promise is kept and the summary says so", () => {
  const promises = judgeDemo(kept);
  assert.deepEqual(
    promises.filter((one) => !one.kept),
    [],
  );
  assert.deepEqual(summarizeDemo(kept, promises), {
    devices: 20,
    enrolled: 20,
    messages: 500,
    dataLagP95Ms: 812,
    harmed: 2,
    rolledBack: 3,
    seconds: 61.2,
    harmedDevices: ["a", "b"],
    ok: true,
  });
});

test("each way to break a promise is seen", () => {
  const breaches: Partial<DemoFacts>[] = [
    { enrolled: 19 },
    { good: rollout({ counts: { succeeded: 19 } }) },
    { bad: rollout({ phase: "completed", harmed: 2 }) },
    { bad: rollout({ phase: "rolled_back", harmed: 16 }), harmedListed: Array.from({ length: 16 }, (_, i) => `d${i}`) },
    { bad: rollout({ phase: "rolled_back", harmed: 0 }), harmedListed: [] },
    { harmedListed: ["a"] },
    { bad: rollout({ phase: "halted", harmed: 2 }) },
    { firingAlertKinds: [] },
    { bad: rollout({ phase: "rolled_back", harmed: 2, stages: [] }) },
    { auditIntact: false },
    { kpis: [kpi("uptime", 0.99), kpi("mttp", null), kpi("data_lag", 1)] },
  ];
  for (const breach of breaches)
    assert.equal(
      summarizeDemo({ ...kept, ...breach }, judgeDemo({ ...kept, ...breach })).ok,
      false,
      JSON.stringify(Object.keys(breach)),
    );
});
