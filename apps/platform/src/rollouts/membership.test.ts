import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { placeDevices, stageEnds, stageSizes } from "./membership.ts";

const names = (n: number) => Array.from({ length: n }, (_, i) => `device-${i}`);

test("stages reach their cumulative shares, and the canary has at least one device", () => {
  assert.deepEqual(stageEnds(200, [0.05, 0.25, 1]), [10, 50, 200]);
  assert.deepEqual(stageSizes(3, [0.05, 0.25, 1]), [1, 0, 2]);
  assert.deepEqual(stageEnds(100, [0.29, 0.57, 1]), [29, 57, 100]);
});

test("who is in the canary does not depend on the order in which devices were found, and differs between rollouts", () => {
  const devices = names(100);
  const canary = (rollout: string, from: string[]) =>
    placeDevices(rollout, from, [0.1, 1])
      .filter(({ stage }) => stage === 0)
      .map(({ device }) => device);
  assert.deepEqual(canary("rol_1", devices), canary("rol_1", devices.toReversed()));
  assert.notDeepEqual(canary("rol_1", devices), canary("rol_2", devices));
});

test("every device that the last share reaches has exactly one place, in stages that only grow", () => {
  const shares = fc
    .uniqueArray(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 6 })
    .map((all) => all.toSorted((a, b) => a - b).map((n) => n / 100));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), shares, (n, given) => {
      const places = placeDevices("rol_x", names(n), given);
      assert.equal(places.length, stageEnds(n, given).at(-1));
      assert.equal(new Set(places.map(({ device }) => device)).size, places.length);
      assert.deepEqual(
        places.map(({ place }) => place),
        places.map((_, i) => i),
      );
      assert.ok(places.every(({ stage }, i) => stage >= (places[i - 1]?.stage ?? 0)));
      assert.ok(places.some(({ stage }) => stage === 0));
    }),
    { numRuns: 200 },
  );
});
