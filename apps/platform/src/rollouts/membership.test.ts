import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { placeDevices, stageEnds, stageSizes } from "./membership.ts";

const members = (devices: string[]) => devices.map((device) => ({ device, stratum: "" }));
const names = (n: number) => Array.from({ length: n }, (_, i) => `device-${i}`);

test("stages reach their cumulative shares, and the canary has at least one device", () => {
  assert.deepEqual(stageEnds(200, [0.05, 0.25, 1]), [10, 50, 200]);
  assert.deepEqual(stageSizes(placeDevices("rol_x", members(names(3)), { shares: [0.05, 0.25, 1] }), 3), [1, 0, 2]);
  assert.deepEqual(stageEnds(100, [0.29, 0.57, 1]), [29, 57, 100]);
});

test("who is in the canary does not depend on the order in which devices were found, and differs between rollouts", () => {
  const devices = names(100);
  const canary = (rollout: string, from: string[]) =>
    placeDevices(rollout, members(from), { shares: [0.1, 1] })
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
      const places = placeDevices("rol_x", members(names(n)), { shares: given });
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

test("every stratum is in the canary with as many devices as the plan asks, or with all it has, and nobody twice", () => {
  const kinds = fc.array(fc.constantFrom("a", "a", "a", "a", "a", "a", "a", "b", "c"), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(kinds, fc.integer({ min: 1, max: 5 }), (strata, perStratum) => {
      const all = strata.map((stratum, i) => ({ device: `d${i}`, stratum }));
      const places = placeDevices("rol_s", all, { shares: [0.02, 0.3, 1], perStratum });
      assert.equal(new Set(places.map(({ device }) => device)).size, all.length);
      for (const kind of new Set(strata)) {
        const has = strata.filter((one) => one === kind).length;
        const canary = places.filter(({ stage, stratum }) => stage === 0 && stratum === kind).length;
        assert.ok(canary >= Math.min(has, perStratum), `${kind}: ${canary} of ${has}`);
      }
      assert.ok(places.every(({ stage }, i) => stage >= (places[i - 1]?.stage ?? 0)));
    }),
    { numRuns: 200 },
  );
});
