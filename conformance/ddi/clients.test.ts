import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const page = "docs/protocol/ddi.md";
const rules = 11;

test(`each rule of ${page} that a client needs names a test that is there`, () => {
  const rows = readFileSync(page, "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, rule, file, words] = /^\| (\d+) .* \| (\S+\.test\.ts): (.+) \|$/.exec(line) ?? [];
      return rule && file && words ? [{ rule: Number(rule), file, words }] : [];
    });
  assert.deepEqual(
    [...new Set(rows.map(({ rule }) => rule))].sort((a, b) => a - b),
    Array.from({ length: rules }, (_, i) => i + 1),
  );
  for (const { rule, file, words } of rows) {
    const titles = readFileSync(file, "utf8").matchAll(/^ *test\(\s*"(.+?)",/gm);
    assert.ok(
      [...titles].some(([, title = ""]) => title.includes(words)),
      `rule ${rule}: no test "${words}" in ${file}`,
    );
  }
});
