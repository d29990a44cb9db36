import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createWheel } from "./wheel.ts";

test("a thing comes up once, not before its time and at most a tick after it", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 5_000 }), { maxLength: 50 }), (times) => {
      const wheel = createWheel<{ at: number; dueAt: number }>(50);
      for (const at of times) wheel.schedule({ at, dueAt: 0 }, at);
      const seen: number[] = [];
      for (let now = 0; now <= 5_100; now += 50) {
        for (const { at } of wheel.take(now)) {
          assert.ok(at <= now && now < at + 50);
          seen.push(at);
        }
      }
      assert.equal(seen.length, times.length);
    }),
  );
});

test("a thing that is scheduled again comes up at its new time only, sooner or later", () => {
  const wheel = createWheel<{ dueAt: number }>(50);
  const one = { dueAt: 0 };
  wheel.schedule(one, 1_000);
  wheel.schedule(one, 200);
  assert.deepEqual(wheel.take(200), [one]);
  assert.deepEqual(wheel.take(2_000), []);
  wheel.schedule(one, 2_100);
  wheel.schedule(one, 3_000);
  assert.deepEqual(wheel.take(2_900), []);
  assert.deepEqual(wheel.take(3_000), [one]);
});
