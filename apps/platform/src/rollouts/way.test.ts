import assert from "node:assert/strict";
import { test } from "node:test";
import type { Compatibility } from "@tenfold/ota";
import { type Stone, wayTo } from "./way.ts";

const release = (version: string, more: Partial<Compatibility> = {}): Compatibility => ({
  name: "pump",
  version,
  models: [],
  ...more,
});
const stone = (version: string, more: Partial<Compatibility> = {}): Stone => ({
  ...{ release: `rel_${version}`, version, sha256: version, size: 1 },
  fits: release(version, more),
});
const stones = (...all: Stone[]) => new Map(all.map((one) => [one.version, one]));
const over = (wanted: Compatibility, version: string | undefined, all: Map<string, Stone>) => {
  const way = wayTo(wanted, { model: "pump", version }, all);
  return way.is === "over" ? way.stones.map((one) => one.version) : way.is === "none" ? way.misfit.because : way.is;
};

test("a device that has a stone before it goes over it, and one that has passed it goes straight", () => {
  const wanted = release("3.0.0", { mustPassThrough: ["2.0.0"] });
  const known = stones(stone("2.0.0"));
  assert.deepEqual(over(wanted, "1.0.0", known), ["2.0.0"]);
  assert.equal(over(wanted, "2.0.0", known), "straight");
  assert.equal(over(wanted, undefined, known), "straight", "who has never spoken judges by itself");
});

test("several stones are passed in order, those that a stone itself needs included", () => {
  const wanted = release("4.0.0", { mustPassThrough: ["2.0.0", "3.0.0"] });
  const known = stones(stone("2.0.0", { minimumVersion: "1.5.0" }), stone("3.0.0"), stone("1.5.0"));
  assert.deepEqual(over(wanted, "1.0.0", known), ["1.5.0", "2.0.0", "3.0.0"]);
  assert.deepEqual(over(wanted, "2.1.0", known), ["3.0.0"]);
});

test("a minimum version is a stone itself where a release of just that version is there", () => {
  const wanted = release("3.0.0", { minimumVersion: "2.0.0" });
  assert.deepEqual(over(wanted, "1.0.0", stones(stone("2.0.0"))), ["2.0.0"]);
  assert.equal(over(wanted, "1.0.0", stones()), "minimum_version");
});

test("a way that breaks off is none: nobody is led half of it", () => {
  const wanted = release("4.0.0", { mustPassThrough: ["2.0.0", "3.0.0"] });
  assert.equal(over(wanted, "1.0.0", stones(stone("2.0.0"))), "pass_through", "3.0.0 is not registered");
  const otherModel = stones(stone("2.0.0", { models: ["valve"] }), stone("3.0.0"));
  assert.equal(over(wanted, "1.0.0", otherModel), "pass_through", "2.0.0 is for another model");
});

test("what no stone can mend stays what it is, and a circle ends", () => {
  const wanted = release("3.0.0", { models: ["valve"], mustPassThrough: ["2.0.0"] });
  assert.equal(over(wanted, "1.0.0", stones(stone("2.0.0"))), "model");
  const circle = stones(stone("2.0.0", { mustPassThrough: ["2.5.0"] }), stone("2.5.0", { mustPassThrough: ["2.0.0"] }));
  assert.equal(over(release("3.0.0", { mustPassThrough: ["2.0.0"] }), "1.0.0", circle), "pass_through");
});
