import assert from "node:assert/strict";
import { test } from "node:test";
import { drawnTarget, scaleOf } from "./scale.ts";

test("an axis counts in the unit that its values have", () => {
  assert.equal(scaleOf("s", 900).write(900 / scaleOf("s", 900).divide), "15 min");
  assert.equal(scaleOf("ms", 6_200).write(6_200 / scaleOf("ms", 6_200).divide), "6.2 s");
  assert.equal(scaleOf("ms", 310).write(310 / scaleOf("ms", 310).divide), "310 ms");
  assert.equal(scaleOf("ratio", 1).write(0.9995), "99.95 %");
});

test("a target is drawn where it does not flatten the line", () => {
  assert.equal(drawnTarget(0.995, [0.996, 0.9999]), 0.995);
  assert.equal(drawnTarget(604_800, [600, 900]), undefined);
});
