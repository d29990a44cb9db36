import assert from "node:assert/strict";
import { test } from "node:test";
import { matches, ownTopics } from "./topics.ts";

test("[M10] a device's own topics are those below devices/ and its id", () => {
  assert.deepEqual(ownTopics.up("pump-1", "devices/pump-1/telemetry"), { is: "own", channel: "telemetry" });
  assert.deepEqual(ownTopics.up("pump-1", "devices/pump-1/commands/c1/result"), { is: "own", channel: "command", id: "c1" });
  assert.deepEqual(ownTopics.up("pump-1", "devices/pump-1/nonsense"), { is: "unknown" });
  for (const foreign of ["devices/pump-10/telemetry", "devices/pump-2/telemetry", "telemetry", "devices/pump-1", "$SYS/x"]) {
    assert.deepEqual(ownTopics.up("pump-1", foreign), { is: "foreign" }, foreign);
  }
});

test("[M8] a device listens to what is sent to it, not to what it or others send", () => {
  for (const own of ["deployments/next", "state/desired", "commands/+", "commands/c1", "commands/#", "#"])
    assert.equal(ownTopics.down("pump-1", `devices/pump-1/${own}`), true, own);
  for (const other of ["devices/pump-1/telemetry", "devices/+/commands/+", "devices/#", "#", "devices/pump-10/#", "+/pump-1/#"])
    assert.equal(ownTopics.down("pump-1", other), false, other);
});

test("filters match as the standard says", () => {
  const cases: [string, string, boolean][] = [
    ["a/b", "a/b", true],
    ["a/+", "a/b", true],
    ["a/+", "a/b/c", false],
    ["a/#", "a", true],
    ["a/#", "a/b/c", true],
    ["+/b", "a/b", true],
    ["a/+/c", "a//c", true],
    ["a", "a/b", false],
  ];
  for (const [filter, topic, yes] of cases) assert.equal(matches(filter, topic), yes, `${filter} ${topic}`);
});
