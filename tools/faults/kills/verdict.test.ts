import assert from "node:assert/strict";
import { test } from "node:test";
import type { Book, BookedDeployment } from "./book.ts";
import type { Deed } from "./diary.ts";
import { type Evidence, judgeRollouts } from "./verdict.ts";

const good: BookedDeployment = {
  ...{ id: "dep_1", rollout: "rol_1", device: "pump-1", rollback: false, attempt: 1, retried: false, version: "2.0.0" },
  ...{ state: "succeeded", offeredAt: 1_000, deadlineAt: 50_000, endedAt: 9_000, action: "1000001" },
};
const deeds: Deed[] = [
  { device: "pump-1", at: 5_000, did: "installed", deployment: "1000001", version: "2.0.0" },
  { device: "pump-1", at: 6_000, did: "told", deployment: "1000001", state: "rebooting" },
  { device: "pump-1", at: 7_000, did: "started", version: "2.0.0" },
  { device: "pump-1", at: 9_000, did: "proved", version: "2.0.0" },
];
const book: Book = {
  rollouts: [{ id: "rol_1", phase: "completed", model: "pump" }],
  deployments: [good],
  decisions: [{ rollout: "rol_1", decision: "stage_passed", stage: 0 }],
  devices: [{ id: "pump-1", model: "pump" }],
};
const honest: Evidence = { book, deeds, kills: [], rounds: ["rol_1"] };

const brokenIn = (evidence: Partial<Evidence>): string[] =>
  judgeRollouts({ ...honest, ...evidence }).flatMap(({ law, broken }) => (broken.length > 0 ? [law] : []));
const withDeployments = (...deployments: BookedDeployment[]) => ({ book: { ...book, deployments } });

test("a rollout that went well breaks no law", () => assert.deepEqual(brokenIn({}), []));

test("a rollout that is lost, was started twice or does not end is found", () => {
  const law = "every rollout that was started is there once, and ended";
  assert.deepEqual(brokenIn({ rounds: ["rol_1", "rol_2"] }), [law]);
  assert.deepEqual(brokenIn({ rounds: [] }), [law]);
  assert.deepEqual(brokenIn({ book: { ...book, rollouts: [{ id: "rol_1", phase: "running", model: "pump" }] } }), [law]);
});

test("a deployment without an end is found, and one that ends long after its deadline, unless the platform was away", () => {
  assert.ok(brokenIn(withDeployments({ ...good, state: "rebooting" })).includes("every deployment has an end"));
  const late = { ...withDeployments({ ...good, state: "unresponsive", endedAt: 60_000 }), deeds: [] };
  assert.deepEqual(brokenIn(late), ["every deployment ends by its deadline"]);
  assert.deepEqual(brokenIn({ ...late, kills: [{ at: 49_000, readyAt: 57_000 }] }), []);
});

test("a device that is left out, has two updates at a time, or a try that is doubled is found", () => {
  assert.deepEqual(brokenIn({ book: { ...book, devices: [...book.devices, { id: "pump-2", model: "pump" }] } }), [
    "no device is left out",
  ]);
  const second = { ...good, id: "dep_2", action: "1000002", attempt: 2, state: "failed", offeredAt: 8_000, endedAt: 10_000 };
  assert.deepEqual(brokenIn(withDeployments({ ...good, retried: true }, second)), ["no device has two updates at a time"]);
  const law = "no try is doubled, and each that is tried again has a next one";
  assert.deepEqual(brokenIn(withDeployments(good, { ...second, attempt: 1, offeredAt: 9_500 })), [law]);
  assert.deepEqual(brokenIn(withDeployments({ ...good, retried: true })), [law]);
  assert.deepEqual(brokenIn(withDeployments(good, { ...second, offeredAt: 9_500 })), [law]);
});

test("a second halt, a stage that passes twice, and a second installation are found", () => {
  const twice = book.decisions.flatMap((one) => [one, one]);
  assert.deepEqual(brokenIn({ book: { ...book, decisions: twice } }), ["a rollout halts once and passes each stage once"]);
  const again: Deed = { device: "pump-1", at: 5_500, did: "installed", deployment: "1000001", version: "2.0.0" };
  assert.deepEqual(brokenIn({ deeds: [...deeds, again] }), ["no device installs twice for one deployment"]);
  assert.deepEqual(brokenIn({ deeds: [...deeds, { ...again, deployment: "dep_9" }] }), [
    "no device installs twice for one deployment",
  ]);
});

test("an acknowledged end that is not in the record is found, unless the deployment was over when it was told", () => {
  const told: Deed = { device: "pump-1", at: 8_000, did: "told", deployment: "dep_1", state: "failed" };
  const silent = { ...good, state: "unresponsive", endedAt: 50_001 };
  const law = "an end that a device told and that was acknowledged is in the record";
  assert.deepEqual(brokenIn({ ...withDeployments(silent), deeds: [told] }), [law]);
  assert.deepEqual(brokenIn({ ...withDeployments({ ...silent, state: "failed" }), deeds: [told] }), []);
  assert.deepEqual(brokenIn({ ...withDeployments(silent), deeds: [{ ...told, at: 50_002 }] }), []);
});

test("a proven boot that is no success, and a success without a boot, are found", () => {
  assert.deepEqual(brokenIn(withDeployments({ ...good, state: "unresponsive", endedAt: 50_001 })), [
    "a boot that a device proved in time and that was acknowledged is a success",
  ]);
  const law = "no success without an installation and a start of that firmware";
  assert.deepEqual(brokenIn({ deeds: [] }), [law]);
  assert.deepEqual(brokenIn({ deeds: deeds.filter(({ did }) => did !== "started") }), [law]);
});
