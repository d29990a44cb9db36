import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeChange } from "../registry/device.ts";
import { judgeRolloutChange } from "../rollouts/changes.ts";
import { judge } from "./judge.ts";

test("who may not is told which role could", () => {
  assert.deepEqual(judge("security", "devices.suspend"), { allowed: true });
  assert.deepEqual(judge("viewer", "devices.suspend"), {
    allowed: false,
    because: "Your role is viewer. This needs security or admin.",
  });
  assert.deepEqual(judge(undefined, "devices.read"), { allowed: false, because: "You are not signed in." });
});

test("a device that is not suspended cannot be resumed, and the button says so", () => {
  const verdict = judgeChange("resume", "active", { allowed: true });
  assert.deepEqual(verdict, {
    allowed: false,
    because: "The device is active; only suspended or quarantined devices can be changed so.",
  });
});

test("a person's own limit is told before the thing's state", () => {
  const verdict = judgeChange("resume", "active", judge("viewer", "devices.suspend"));
  assert.match(verdict.allowed ? "" : verdict.because, /^Your role is viewer/);
});

test("only a running rollout can be paused", () => {
  assert.deepEqual(judgeRolloutChange("pause", "running", { allowed: true }), { allowed: true });
  assert.equal(judgeRolloutChange("pause", "completed", { allowed: true }).allowed, false);
});
