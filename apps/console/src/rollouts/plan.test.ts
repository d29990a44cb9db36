import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInPlans, completePlan, rolloutPlan } from "@tenfold/contracts";
import { draftOf, lengthWord, newDraft, templateOf } from "./plan.ts";
import { parseShare, readPlan } from "./plan-read.ts";
import { readWindow, writeWindow } from "./window-line.ts";

test("the form begins with the plan that the contract has as its default", () => {
  const reading = readPlan(newDraft("rel_1"));
  assert.ok(reading.is === "plan");
  assert.deepEqual(reading.plan, rolloutPlan.parse({ release: "rel_1" }));
});

test("every built-in plan, and one that says everything, comes through the form unchanged", () => {
  const all = rolloutPlan.parse({
    ...{
      release: "rel_1",
      filter: "tag:site=berlin",
      strata: ["model", "tag:region"],
      perMinute: 20,
      jitter: "PT30M",
      weight: 200,
    },
    windows: [{ days: ["sat", "sun"], from: "22:00", to: "04:00", zone: "tag:tz", tag: "site=berlin" }],
    conditions: { batteryAtLeast: 0.3, mains: true, bearers: ["wifi", "ethernet"], unmetered: true, unknown: "go" },
    requires: { device: "fw:>=1.4.0", rollouts: ["rol_a"] },
    ...{
      approvals: 2,
      lateJoiners: "join",
      giveUpAfter: "P2D",
      onHalt: "stop",
      haltAbove: 0.025,
      stages: [{ share: 0.0025 }, { share: 1 }],
    },
    download: "ahead",
    stepTimeouts: { download: "PT30M", boot: "PT1M30S" },
    retries: { most: 1, backoff: "PT1M30S", on: ["network", "space"] },
    guards: { watch: ["crashes"], window: "PT10M", settle: "PT1M", falseHalts: 0.001, least: 5, matchBy: ["site"] },
  });
  for (const plan of [all, ...Object.values(builtInPlans).map(({ plan }) => completePlan({ release: "rel_1" }, plan))])
    assert.deepEqual(readPlan(draftOf(plan)), { is: "plan", plan });
});

test("shares are read with and without a percent sign", () => {
  assert.equal(parseShare("5 %"), 0.05);
  assert.equal(parseShare("0.5%"), 0.005);
  assert.equal(parseShare("29"), 0.29);
  assert.equal(parseShare("101"), undefined);
  assert.equal(parseShare("many"), undefined);
});

test("stages that do not rise are refused at their field", () => {
  const reading = readPlan({ ...newDraft("rel_1"), stages: "25%, 5%, 100%" });
  assert.ok(reading.is === "incomplete");
  assert.match(reading.faults.stages ?? "", /larger than the one before/);
});

test("what cannot be read is said at its field, also where only the contract knows it", () => {
  const faultsOf = (change: Partial<ReturnType<typeof newDraft>>) => {
    const reading = readPlan({ ...newDraft("rel_1"), ...change });
    return reading.is === "plan" ? [] : Object.keys(reading.faults).sort();
  };
  assert.deepEqual(faultsOf({ release: "", deadline: "soon", atOnce: "a few" }), ["atOnce", "deadline", "release"]);
  assert.deepEqual(faultsOf({ atOnce: "0" }), ["atOnce"]);
  assert.deepEqual(faultsOf({ guards: "crashes, mood" }), ["guards"]);
  assert.deepEqual(faultsOf({ retryOn: "boot" }), ["retryOn"]);
  assert.deepEqual(faultsOf({ strata: "colour" }), ["strata"]);
  assert.deepEqual(faultsOf({ windows: "22:00-04:00" }), ["windows"]);
});

test("a window is a line: days and tag may be left out, and a mistake is named", () => {
  for (const line of ["sat,sun 22:00-04:00 Europe/Berlin site=berlin", "01:00-05:00 tag:tz"]) {
    const reading = readWindow(line);
    assert.ok(reading.is === "window");
    assert.equal(writeWindow(reading.window), line);
  }
  const late = readWindow("25:00-04:00 Europe/Berlin");
  assert.ok(late.is === "unreadable");
  assert.match(late.because, /25:00-04:00 Europe\/Berlin/);
});

test("a length is written in its largest whole unit", () => {
  assert.deepEqual(["PT1H", "PT90M", "P1D", "PT0S", "PT1M30S"].map(lengthWord), ["1h", "90m", "1d", "0s", "90s"]);
});

test("what is stored under a name is what differs from the defaults", () => {
  assert.deepEqual(templateOf(rolloutPlan.parse({ release: "rel_1" })), {});
  const { plan } = builtInPlans.careful ?? assert.fail();
  assert.deepEqual(
    completePlan({ release: "x" }, templateOf(completePlan({ release: "x" }, plan))),
    completePlan({ release: "x" }, plan),
  );
  assert.deepEqual(Object.keys(templateOf(completePlan({ release: "x", approvals: 2 }))), ["approvals"]);
});
