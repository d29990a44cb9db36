import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { verdictOf } from "./verdict.ts";

/** The command itself, on packet sequences of the test's own. */
function conformance(sequences: readonly object[]): { exit: number | null; said: string } {
  const shared = mkdtempSync(join(tmpdir(), "tenfold-conformance-"));
  const folder = join(shared, "data/mqtt-sequences");
  mkdirSync(folder, { recursive: true });
  if (sequences.length > 0) writeFileSync(join(folder, "OWN.json"), JSON.stringify([{ group: "own", ver: 5, tests: sequences }]));
  try {
    const { status, stdout, stderr } = spawnSync(process.execPath, [resolve("conformance/main.ts"), "mqtt"], {
      env: { ...process.env, TENFOLD_TEST_SHARED: shared },
      encoding: "utf8",
      timeout: 60_000,
    });
    return { exit: status, said: stdout + stderr };
  } finally {
    rmSync(shared, { recursive: true, force: true });
  }
}

const ping = [
  { type: "send", payload: "C0 00" },
  { type: "receive", payload: "D0 00" },
];

test("the command fails where a suite has found a fault, and where it has played nothing", () => {
  const good = conformance([{ name: "a ping is answered", expect_disconnect: false, msgs: ping }]);
  assert.equal(good.exit, 0, good.said);
  const bad = conformance([{ name: "a ping that should end the connection", expect_disconnect: true, msgs: ping }]);
  assert.equal(bad.exit, 1, bad.said);
  assert.match(bad.said, /accepted_bad 1/);
  const none = conformance([]);
  assert.equal(none.exit, 1, none.said);
  assert.match(none.said, /nothing was played/);
});

test("a suite passes when it has played something, has found no fault, and says so", () => {
  assert.equal(verdictOf("tuf", { passed: 113, failed: 0, skipped: 0 }).is, "passed");
  assert.equal(verdictOf("tuf", { passed: 112, failed: 1, skipped: 0 }).is, "failed");
  assert.equal(verdictOf("uptane", { passed: 0, failed: 0, excluded: 0, skipped: 1, because: "no checkout" }).is, "failed");
  assert.equal(verdictOf("ddi", { requests: 10, broken: 0, installed: 0, deaths: 0 }).is, "passed");
  for (const fault of ["broken", "installed", "deaths"])
    assert.deepEqual(verdictOf("ddi", { requests: 10, broken: 0, installed: 0, deaths: 0, [fault]: 2 }), {
      is: "failed",
      because: `${fault} 2`,
    });
  assert.equal(verdictOf("ddi", { requests: 10, broken: 0, deaths: 0 }).is, "failed");
});
