import assert from "node:assert/strict";
import { test } from "node:test";
import { hours, seconds } from "@tenfold/base";
import { connectivityOf } from "./connectivity.ts";
import { start } from "./testing.ts";

const at = (length: number) => start + length;
const facts = { lastContactAt: at(seconds(100)), leaseMs: seconds(60), reachFrom: start };

test("a verdict turns at the end of the lease and at the end of the grace, to the millisecond", () => {
  const turns = [0, 60_000 - 1, 60_000, 120_000 - 1, 120_000].map(
    (length) => connectivityOf(facts, facts.lastContactAt + length).is,
  );
  assert.deepEqual(turns, ["online", "online", "late", "late", "offline"]);
  assert.equal(connectivityOf(undefined, start).is, "never_seen");
});

test("a verdict says why, since when, and when it changes by itself", () => {
  assert.deepEqual(connectivityOf(facts, at(seconds(110))), {
    is: "online",
    because: "Heard 10 s ago; its lease of 60 s lasts until 2026-10-01T00:02:40.000Z.",
    since: start,
    nextJudgementAt: at(seconds(160)),
  });
  assert.deepEqual(connectivityOf(facts, at(seconds(200))), {
    is: "late",
    because: "Late by 40 s: its lease of 60 s ended at 2026-10-01T00:02:40.000Z.",
    since: at(seconds(160)),
    nextJudgementAt: at(seconds(220)),
  });
  const offline = connectivityOf(facts, at(hours(3)));
  assert.deepEqual([offline.is, offline.since, offline.nextJudgementAt], ["offline", at(seconds(220)), undefined]);
  assert.match(offline.because, /^Silent for 3 h: its lease of 60 s ended at .*, and 60 s of grace passed\.$/);
});

test("the shortest lease still has five seconds of grace, and a sleepy device as long again as it sleeps", () => {
  const verdict = (leaseMs: number, gone: number) => connectivityOf({ ...facts, leaseMs }, facts.lastContactAt + gone).is;
  assert.deepEqual([verdict(seconds(1), seconds(5)), verdict(seconds(1), seconds(6))], ["late", "offline"]);
  assert.deepEqual([verdict(hours(7), hours(13)), verdict(hours(7), hours(14))], ["late", "offline"]);
});
