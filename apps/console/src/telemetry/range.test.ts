import assert from "node:assert/strict";
import { test } from "node:test";
import { momentsOf, ranges } from "./range.ts";

test("a range asks the same question until its answer would look different", () => {
  const now = Date.parse("2026-11-22T12:00:01Z");
  for (const { id, length } of ranges) {
    const { from, to } = momentsOf(id, now);
    assert.equal(Date.parse(to) - Date.parse(from), length);
    assert.ok(Date.parse(to) >= now);
  }
  assert.deepEqual(momentsOf("7d", now), momentsOf("7d", now + 1_000));
});
