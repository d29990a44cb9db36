import assert from "node:assert/strict";
import { test } from "node:test";
import { mergePatch } from "../registry/index.ts";
import { readCommandResult } from "./command.ts";
import { changed, type Desired, judgeConvergence, readApplied } from "./desired.ts";

const desired = (given: Partial<Desired> = {}): Desired => ({
  device: "pump-1",
  generation: 3,
  state: {},
  reason: "",
  changedBy: "",
  changedAt: 0,
  refused: [],
  ...given,
});

test("a merge patch sets, nests and removes; a replacement is the whole document; a change that changes nothing is none", () => {
  const before = { a: 1, b: { c: 2, d: 3 } };
  assert.deepEqual(changed(before, { mode: "merge", document: { a: null, b: { c: 5 } } }, mergePatch), { b: { c: 5, d: 3 } });
  assert.deepEqual(changed(before, { mode: "replace", document: { x: 1 } }, mergePatch), { x: 1 });
  assert.equal(changed(before, { mode: "merge", document: { a: 1 } }, mergePatch), undefined);
});

for (const [is, given] of [
  ["nothing_desired", undefined],
  ["nothing_desired", desired({ generation: 0 })],
  ["waiting", desired()],
  ["waiting", desired({ appliedGeneration: 2 })],
  ["partly", desired({ appliedGeneration: 3, refused: ["colour"] })],
  ["converged", desired({ appliedGeneration: 3 })],
] as const) {
  test(`a device that ${given === undefined ? "was told nothing" : `follows ${given.appliedGeneration} of ${given.generation}`} is judged ${is}, with why`, () => {
    const verdict = judgeConvergence(given);
    assert.equal(verdict.is, is);
    assert.match(verdict.because, /\.$/);
  });
}

test("only a whole number at `desired.generation` says that a device follows", () => {
  assert.deepEqual(readApplied({ desired: { generation: 4 }, other: 1 }), { generation: 4, refused: [] });
  for (const patch of [{}, null, 3, [], { desired: 4 }, { desired: { generation: "4" } }, { desired: { generation: 2 ** 53 } }])
    assert.equal(readApplied(patch), undefined);
});

test("a result is read strictly: what is no result is refused with the field that is wrong", () => {
  const read = (text: string) => readCommandResult(Buffer.from(text));
  assert.equal(read('{"status":"succeeded","output":{"a":[1]}}').is, "ok");
  for (const [text, detail] of [
    ["", /JSON object/],
    ["{}", /^status/],
    ['{"status":"done"}', /^status/],
    ['{"status":"failed","detail":"\\u0000"}', /NUL/],
    [`{"status":"failed","output":"${"x".repeat(17_000)}"}`, /at most/],
  ] as const) {
    const answer = read(text);
    assert.ok(answer.is === "refused");
    assert.equal(answer.because, "command_result_invalid");
    assert.match(answer.detail, detail);
  }
});
