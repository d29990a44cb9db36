import assert from "node:assert/strict";
import { test } from "node:test";
import { cohortThreshold, groupThreshold, minutes, seconds } from "@tenfold/base";
import { lastDeafness } from "./deafness.ts";
import { judge, settle } from "./judge.ts";
import { type Condition, defaultRules, type OpenAlert, type RuleKind } from "./rule.ts";

const now = 1_000_000_000;

function condition(kind: RuleKind, { id, since, devices = [id] }: { id: string; since: number; devices?: string[] }): Condition {
  const rule = defaultRules.find((each) => each.kind === kind) ?? assert.fail(kind);
  const subject = { kind: kind === "device_silent" ? "device" : "group", id } as const;
  return { rule, subject, since, title: "t", why: "w", comparedWith: "c", next: "n", devices };
}

const opened = ({ rule, subject, devices }: Condition, clearSince?: number): OpenAlert => ({
  id: `alr_${subject.id}`,
  rule: rule.id,
  subject,
  title: "t",
  why: "w",
  devices,
  ...(clearSince !== undefined && { clearSince }),
});
const said = (...args: Parameters<typeof judge>) =>
  judge(...args).map((verdict) => `${verdict.do} ${"alert" in verdict ? verdict.alert.subject.id : verdict.condition.subject.id}`);

test("what is wrong and not yet firing fires once it has held long enough", () => {
  const early = condition("group_silent", { id: "all", since: now - minutes(1) + 1 });
  assert.deepEqual(said({ conditions: [early], open: [], now }), []);
  assert.deepEqual(said({ conditions: [early], open: [], now: now + 1 }), ["fire all"]);
  assert.deepEqual(said({ conditions: [early], open: [opened(early)], now: now + 1 }), []);
});

test("what is gone is first doubted, then resolved; what comes back in between goes on", () => {
  const silent = condition("device_silent", { id: "a", since: now });
  assert.deepEqual(said({ conditions: [], open: [opened(silent)], now }), ["doubt a"]);
  assert.deepEqual(said({ conditions: [], open: [opened(silent, now - settle + 1)], now }), []);
  assert.deepEqual(said({ conditions: [], open: [opened(silent, now - settle)], now }), ["resolve a"]);
  assert.deepEqual(said({ conditions: [silent], open: [opened(silent, now - seconds(1))], now }), ["refresh a"]);
});

test("while a group is wrong its devices make no alerts, and once it fires it takes in those that fire", () => {
  const [a, b] = ["a", "b"].map((id) => condition("device_silent", { id, since: now - minutes(5) })) as [Condition, Condition];
  const pending = condition("group_silent", { id: "all", since: now - seconds(1), devices: ["a", "b"] });
  const held = { ...pending, since: now - minutes(2) };
  assert.deepEqual(said({ conditions: [a, b, pending], open: [opened(a)], now }), []);
  assert.deepEqual(said({ conditions: [a, b, held], open: [opened(a)], now }), ["fire all", "absorb a"]);
});

test("the thresholds are those of the table in the alert catalogue", () => {
  const table: [number, number[]][] = [
    [0.005, [4, 5, 7, 8, 13, 18, 50, 84]],
    [0.01, [5, 7, 8, 11, 18, 27, 84, 146]],
    [0.02, [6, 8, 11, 16, 27, 42, 146, 263]],
    [0.05, [8, 12, 17, 26, 49, 83, 319, 596]],
  ];
  const sizes = [20, 50, 100, 200, 500, 1_000, 5_000, 10_000];
  for (const [p0, expected] of table)
    assert.deepEqual(
      sizes.map((n) => cohortThreshold(n, p0)),
      expected,
      `p0 = ${p0}`,
    );
});

test("a group is silent from the larger of its share and what chance explains", () => {
  assert.equal(groupThreshold(200, 0.1), 20);
  assert.equal(groupThreshold(50, 0.01), 5);
  assert.equal(groupThreshold(1, 0.1), Number.POSITIVE_INFINITY);
  assert.equal(groupThreshold(0, 0.1), Number.POSITIVE_INFINITY);
  assert.ok(cohortThreshold(200_000) > 1_000);
});

test("two restarts shortly after each other are one deafness; a quiet hour between them makes two", () => {
  const [first, soon, late] = [
    { from: 0, until: minutes(10) },
    { from: minutes(11), until: minutes(12) },
    { from: minutes(80), until: minutes(81) },
  ];
  assert.deepEqual(lastDeafness([first, soon]), { from: 0, until: minutes(12) });
  assert.deepEqual(lastDeafness([first, soon, late]), late);
  assert.equal(lastDeafness([]), undefined);
});
