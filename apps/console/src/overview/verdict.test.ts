import assert from "node:assert/strict";
import { test } from "node:test";
import { type Alert, type Rollout, rolloutPlan } from "@tenfold/contracts";
import { fleetVerdict } from "./verdict.ts";

const at = "2026-11-22T12:00:00Z";
const summary = { total: 200, connectivity: { online: 198, offline: 2 }, lifecycle: { active: 200 } };

const rollout = (phase: Rollout["phase"], canary: Rollout["stages"][number]["state"]): Rollout => ({
  id: "rol_1",
  release: { id: "rel_1", name: "sense", version: "1.5.0" },
  plan: rolloutPlan.parse({ release: "rel_1" }),
  phase,
  because: "",
  since: at,
  targets: 200,
  stages: [{ index: 0, share: 0.05, devices: 10, state: canary, counts: {} }],
  counts: {},
  harmed: 0,
  restored: 0,
  planHash: "",
  approvals: { needed: 0, given: [] },
  createdBy: "ada",
  createdAt: at,
});

const alert = (severity: Alert["severity"]): Alert => ({
  id: `alr_${severity}`,
  rule: "r",
  kind: "device_silent",
  severity,
  state: "firing",
  title: "",
  why: "",
  since: at,
  comparedWith: "",
  next: "",
  subject: { kind: "device", id: "dev-1" },
  devices: [],
});

test("a halted canary and its alerts are said in one sentence", () => {
  const verdict = fleetVerdict({ summary, rollouts: [rollout("rolled_back", "halted")], alerts: [alert("page"), alert("ticket")] });
  assert.equal(verdict.sentence, "198 of 200 devices online; 1 rollout halted by its canary; 2 alerts.");
  assert.equal(verdict.tone, "bad");
});

test("a fleet in which all is well says so", () => {
  const whole = { ...summary, connectivity: { online: 200 } };
  const verdict = fleetVerdict({ summary: whole, rollouts: [rollout("completed", "passed")], alerts: [] });
  assert.equal(verdict.sentence, "200 of 200 devices online; no alerts.");
  assert.equal(verdict.tone, "ok");
});

test("a halt is no news any more once a newer rollout was started", () => {
  const verdict = fleetVerdict({
    summary,
    rollouts: [rollout("running", "running"), rollout("rolled_back", "halted")],
    alerts: [],
  });
  assert.equal(verdict.sentence, "198 of 200 devices online; 1 rollout running; no alerts.");
});
