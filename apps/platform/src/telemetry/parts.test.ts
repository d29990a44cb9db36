import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createAnnouncer } from "./announce.ts";
import { rememberLatest } from "./latest.ts";
import { piecesOf } from "./pieces.ts";
import { pointsOf } from "./point.ts";
import { addSketch, addValue, quantile, type Sketch } from "./sketch.ts";

const sketchOf = (values: readonly number[]): Sketch => {
  const sketch: Sketch = {};
  for (const value of values) addValue(sketch, value);
  return sketch;
};

test("a sketch's percentiles are right to one percent, whatever was added", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 2, max: 1e10, noNaN: true }), { minLength: 1, maxLength: 200 }),
      fc.constantFrom(0.5, 0.95, 0.99, 1),
      (values, share) => {
        const exact = values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(share * values.length) - 1)] ?? Number.NaN;
        const estimate = quantile(sketchOf(values), share) ?? Number.NaN;
        assert.ok(Math.abs(estimate - exact) <= exact * 0.0101 + 0.5, `${estimate} for ${exact}`);
      },
    ),
  );
});

test("two sketches added are the sketch of both", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -5, max: 1e9 })), fc.array(fc.integer({ min: -5, max: 1e9 })), (one, other) => {
      const added = sketchOf(one);
      addSketch(added, sketchOf(other));
      assert.deepEqual(added, sketchOf([...one, ...other]));
    }),
  );
});

test("nothing has no percentile", () => assert.equal(quantile({}, 0.5), undefined));

test("pieces hold one month each, every row once, and are cut alike each time", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: Date.UTC(2024, 0), max: Date.UTC(2026, 0) }), { maxLength: 300 }), (times) => {
      const pieces = piecesOf(times, (at) => at);
      for (const { rows } of pieces) assert.equal(new Set(rows.map((at) => new Date(at).toISOString().slice(0, 7))).size, 1);
      assert.deepEqual(pieces.flatMap(({ rows }) => rows).sort(), times.toSorted());
      assert.equal(new Set(pieces.map(({ suffix }) => suffix)).size, pieces.length);
      assert.deepEqual(
        piecesOf(times, (at) => at),
        pieces,
      );
    }),
  );
  assert.deepEqual(
    piecesOf(Array(450_000).fill(0), (at) => at).map(({ rows, suffix }) => [rows.length, suffix]),
    [
      [200_000, "1970-01.0"],
      [200_000, "1970-01.1"],
      [50_000, "1970-01.2"],
    ],
  );
});

test("latest values: an older point changes nothing, and who was silent longest is forgotten first", () => {
  const latest = rememberLatest({ devices: 2, metrics: 2 });
  const note = (device: string, metric: string, v: number, at: number) =>
    latest.note({ fleet: "main", device }, pointsOf([{ metric, v, unit: "", at, timeSource: "device" }]));
  note("a", "t", 1, 10);
  note("a", "t", 2, 5);
  assert.equal(latest.of({ fleet: "main", device: "a" })?.get("t")?.v, 1);
  note("b", "t", 1, 1);
  note("a", "t", 3, 20);
  note("c", "t", 1, 1);
  assert.deepEqual(
    ["a", "b", "c"].map((device) => latest.of({ fleet: "main", device }) !== undefined),
    [true, false, true],
  );
});

test("no device is announced twice within the pause, and only so many at once", () => {
  const announcer = createAnnouncer({ everyMs: 1_000, most: 2 });
  assert.deepEqual(announcer.choose(["a", "b", "c"], 0), ["a", "b"]);
  assert.deepEqual(announcer.choose(["a", "b", "c"], 10), ["c"]);
  assert.deepEqual(announcer.choose(["a"], 1_000), ["a"]);
});
