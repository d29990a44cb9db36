import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const reporter = fileURLToPath(new URL("test-end.ts", import.meta.url));

/** Runs these tests as `npm test` does. */
function run(source: string) {
  const dir = mkdtempSync(join(tmpdir(), "tenfold-test-end-"));
  const file = join(dir, "some.test.mjs");
  writeFileSync(file, `import { test } from "node:test"; import { spawn } from "node:child_process"; ${source}`);
  const reporters = ["--test-reporter=spec", "--test-reporter-destination=stdout"];
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--test", "--test-isolation=none", ...reporters, `--test-reporter=${reporter}`, "--test-reporter-destination=stderr", file],
    { encoding: "utf8", timeout: 30_000, env: { ...process.env, NODE_TEST_CONTEXT: "", TENFOLD_TEST_GRACE_MS: "300" } },
  );
  rmSync(dir, { recursive: true });
  return { status, stdout, stderr };
}

test("a run whose test was cut off with a child and a timer left behind sums up and ends, and says what is open", () => {
  const { status, stdout, stderr } = run(`
    test("is cut off", { timeout: 100 }, () => {
      process.once("exit", ((child) => () => child.kill("SIGKILL"))(spawn("sleep", ["20"])));
      setInterval(() => {}, 1_000);
      return new Promise(() => {});
    });
    test("passes", () => {});
  `);
  assert.equal(status, 1);
  assert.match(stdout, /pass 1\n(.|\n)*cancelled 1\n/);
  assert.match(stderr, /still open: .*Timeout/);
});

test("a run that leaves nothing behind ends by itself", () => {
  const { status, stdout, stderr } = run(`test("passes", () => {});`);
  assert.deepEqual([status, /pass 1\n/.test(stdout), stderr.includes("still open")], [0, true, false]);
});
