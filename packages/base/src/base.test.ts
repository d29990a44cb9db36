import assert from "node:assert/strict";
import { test } from "node:test";
import {
  canonicalJson,
  defineProblems,
  describeError,
  formatDuration,
  hash32,
  newId,
  Problem,
  parseDuration,
  seededRandom,
} from "./index.ts";

test("a duration reads the same in ISO 8601 and in short form, and survives a round trip", () => {
  assert.equal(parseDuration("PT1M30S"), 90_000);
  assert.equal(parseDuration("90s"), 90_000);
  for (const length of [0, 1_500, 90_000, 3_600_000, 90_061_000]) assert.equal(parseDuration(formatDuration(length)), length);
});

test("what is not a duration is undefined, never zero", () => {
  for (const text of ["", "P", "PT", "5", "m5", "P1Y", "-5s"]) assert.equal(parseDuration(text), undefined, text);
});

test("canonical JSON does not depend on the order in which keys were written", () => {
  assert.equal(canonicalJson({ b: 1, a: [true, null, "é"] }), canonicalJson({ a: [true, null, "é"], b: 1 }));
});

test("canonical JSON refuses what two writers could spell differently", () => {
  for (const value of [1.5, Number.NaN, 2 ** 53, undefined, { a: undefined }, () => 1]) {
    assert.throws(() => canonicalJson(value), { code: "value_not_canonical" });
  }
});

test("a problem carries its code and status, and its causes can be read in one line", () => {
  const problems = defineProblems({ device_unknown: 404 });
  const problem = problems.device_unknown('Device "x" is not registered.', { cause: new Error("no row") });
  assert.ok(problem instanceof Problem);
  assert.deepEqual([problem.code, problem.status], ["device_unknown", 404]);
  assert.equal(describeError(problem), 'Device "x" is not registered. (because: no row)');
});

test("ids carry their prefix, sort by age and do not repeat", () => {
  const [older, newer] = [newId("rol", 1_700_000_000_000), newId("rol", 1_700_000_000_001)];
  assert.match(older, /^rol_[0-9a-hjkmnp-tv-z]{26}$/);
  assert.ok(older < newer);
  assert.equal(new Set(Array.from({ length: 1_000 }, () => newId("x"))).size, 1_000);
});

test("a seed decides its numbers for ever, and they spread evenly", () => {
  const draw = seededRandom("device-17");
  assert.deepEqual([draw(), draw()], ((again) => [again(), again()])(seededRandom("device-17")));
  const tenths = Array.from({ length: 10 }, () => 0);
  for (let i = 0; i < 10_000; i++) {
    const tenth = Math.floor((hash32(`device-${i}`) / 2 ** 32) * 10);
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }
  assert.ok(
    tenths.every((n) => n > 850 && n < 1_150),
    `uneven: ${tenths}`,
  );
});
