import assert from "node:assert/strict";
import { test } from "node:test";
import { ApplyPace } from "./pace.ts";

const limits = { freeBytes: 1_000, drainMs: 5_000 };

test("what would take too long to apply at the present pace is too much, and what is little never is", () => {
  const pace = new ApplyPace(limits, 0);
  assert.equal(pace.isBehind(1_000_000, 100), false, "nothing is known of the pace");
  pace.applied({ bytes: 1_000, tookMs: 500, now: 500 });
  assert.equal(pace.isBehind(9_999, 600), false);
  assert.equal(pace.isBehind(10_001, 600), true);
  pace.applied({ bytes: 10, tookMs: 500, now: 1_000 });
  assert.equal(pace.isBehind(1_000, 1_000), false);
});

test("a store that is down makes nobody wait: the disk has room", () => {
  const pace = new ApplyPace(limits, 0);
  pace.applied({ bytes: 1_000, tookMs: 500, now: 500 });
  pace.failed();
  assert.equal(pace.isBehind(1_000_000, 600), false);
  pace.applied({ bytes: 1_000, tookMs: 500, now: 1_000 });
  assert.equal(pace.isBehind(1_000_000, 1_100), true);
  assert.equal(pace.isBehind(1_000_000, 12_000), false, "it has applied nothing for long");
});
