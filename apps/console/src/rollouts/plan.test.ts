import assert from "node:assert/strict";
import { test } from "node:test";
import { rolloutPlan } from "@tenfold/contracts";
import { draftOf, parseShare, readPlan } from "./plan.ts";

test("the form begins with the plan that the contract has as its default", () => {
  const reading = readPlan(draftOf("rel_1"));
  assert.ok(reading.is === "plan");
  assert.deepEqual(reading.plan, rolloutPlan.parse({ release: "rel_1" }));
});

test("shares are read with and without a percent sign", () => {
  assert.equal(parseShare("5 %"), 0.05);
  assert.equal(parseShare("0.5%"), 0.005);
  assert.equal(parseShare("29"), 0.29);
  assert.equal(parseShare("101"), undefined);
  assert.equal(parseShare("many"), undefined);
});

test("stages that do not rise are refused at their field", () => {
  const reading = readPlan({ ...draftOf("rel_1"), stages: "25%, 5%, 100%" });
  assert.ok(reading.is === "incomplete");
  assert.match(reading.faults.stages ?? "", /larger than the one before/);
});

test("a plan without a release, or with lengths that are none, says so at each field", () => {
  const reading = readPlan({ ...draftOf(""), deadline: "soon", atOnce: "0" });
  assert.ok(reading.is === "incomplete");
  assert.deepEqual(Object.keys(reading.faults).sort(), ["atOnce", "deadline", "release"]);
});
