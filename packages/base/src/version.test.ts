import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareVersions } from "./index.ts";

test("versions stand in the order that people mean", () => {
  const ascending = [
    "0.9",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.2",
    "1.10",
    "2",
    "2026.01",
  ];
  for (const [i, a] of ascending.entries())
    for (const [j, b] of ascending.entries()) assert.equal(compareVersions(a, b), Math.sign(i - j), `${a} ${b}`);
});

test("different spellings of one version are equal", () => {
  for (const [a, b] of [
    ["1.4", "1.4.0"],
    ["v1.4.0", "1.4.0"],
    ["1.4.0+build.7", "1.4.0"],
    ["1.04", "1.4"],
    [" 1.4 ", "1.4"],
  ] as const) {
    assert.equal(compareVersions(a, b), 0, `${a} ${b}`);
  }
});

test("numbers too long for a float are still compared exactly", () => {
  assert.equal(compareVersions("1.90071992547409931", "1.90071992547409930"), 1);
});

test("any two texts can be compared, and the order is total", () => {
  const version = fc.oneof(
    fc.string(),
    fc
      .array(fc.oneof(fc.nat(12).map(String), fc.constantFrom("a", "rc", "-", "+", "v", "")), { maxLength: 5 })
      .map((parts) => parts.join(".")),
  );
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      assert.equal(compareVersions(a, b) + compareVersions(b, a), 0);
      if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) assert.ok(compareVersions(a, c) <= 0);
    }),
    { numRuns: 2_000 },
  );
});
