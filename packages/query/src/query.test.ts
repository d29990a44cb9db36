import assert from "node:assert/strict";
import { test } from "node:test";
import { compareVersions, Problem } from "@tenfold/base";
import fc from "fast-check";
import {
  evaluate,
  expandGroups,
  type Filter,
  type FilterSubject,
  lifecycles,
  parseFilter,
  printFilter,
  readFilter,
  statuses,
} from "./index.ts";

const now = 10_000_000;
const pump: FilterSubject = {
  id: "Pump-17",
  fleet: "main",
  lifecycle: "active",
  status: "offline",
  tags: { site: "berlin", line: "" },
  groups: ["lab"],
  model: "P 1",
  hardwareRevision: "B2",
  firmwareVersion: "1.3.9",
  lastContactAt: now - 3 * 3_600_000,
};
const lets = (text: string, device = pump) => evaluate(parseFilter(text), device, now);

test("terms side by side must all hold, OR binds weaker, minus negates", () => {
  for (const text of [
    "",
    "pump",
    "tag:site=berlin status:offline fw:<1.4.0 lastSeen:>2h",
    "-status:online",
    "nothing OR pump",
    "(nothing OR pump) -group:attic",
    '"UMP-1"',
    "tag:line",
    'tag:line=""',
    'model:"P 1"',
    "hw:B2",
    "id:Pump-17",
    "--pump",
    "fleet:main",
    "LASTSEEN:<=3h",
  ]) {
    assert.ok(lets(text), text);
  }
  for (const text of [
    "nothing",
    "tag:site=oslo",
    "status:online",
    "fw:>=1.4.0",
    "lastSeen:<2h",
    "-group:lab",
    "pump nothing OR nothing",
    "id:pump-17",
    "hw:b2",
    "tag:constructor",
    "-(pump OR nothing)",
  ]) {
    assert.ok(!lets(text), text);
  }
});

test("what is unknown about a device matches no term, so only its negation does", () => {
  const { model: _, firmwareVersion: __, lastContactAt: ___, hardwareRevision: ____, ...unknown } = pump;
  for (const text of ["fw:<9", "fw:>0", "lastSeen:>1s", "lastSeen:<1d", "model:x", "hw:B2"])
    assert.deepEqual([lets(text, unknown), lets(`-${text}`, unknown)], [false, true], text);
});

test("a filter that cannot be read says where, what was expected, and what was meant", () => {
  const cases: [string, number, RegExp, string | undefined][] = [
    ["stauts:offline", 0, /one of id:/, "status:"],
    ["a status:ofline", 9, /online, late, offline/, "status:offline"],
    ["lastSeen:2h", 9, /duration/, "lastSeen:>2h"],
    ["lastSeen:>9999999d", 9, /ten years/, undefined],
    ["aa:bb:cc", 0, /one of/, '"aa:bb:cc"'],
    ["a or b", 2, /capitals/, "OR"],
    ["a AND b", 2, /space/, undefined],
    ["a (b", 2, /closing parenthesis/, undefined],
    ["a) b", 1, /the end/, undefined],
    ["a OR", 4, /a term/, undefined],
    ['a "b', 2, /closing quote/, undefined],
    ["tag:Site", 4, /key/, undefined],
    ["a\u0000b", 1, /control/, undefined],
    ["a\ud800", 1, /control/, undefined],
    ["(".repeat(100), 31, /levels/, undefined],
    ["x".repeat(1_001), 1_000, /at most/, undefined],
  ];
  for (const [text, at, expected, suggestion] of cases) {
    const reading = readFilter(text);
    assert.ok(reading.is === "refused", text);
    assert.deepEqual([reading.refusal.at, reading.refusal.suggestion], [at, suggestion], text);
    assert.match(reading.refusal.expected, expected, text);
  }
  assert.throws(
    () => parseFilter("stauts:x"),
    (error) => error instanceof Problem && error.code === "filter_invalid" && error.field === "filter",
  );
});

test("no text makes the parser fail in any other way than by refusing it", () => {
  const pieces = fc.array(
    fc.constantFrom(
      "tag:",
      "site=",
      "status:offline",
      "fw:",
      "<",
      ">=",
      "1.4",
      "lastSeen:",
      "2h",
      "(",
      ")",
      "-",
      " ",
      "OR",
      '"',
      "\\",
      ":",
      "é",
      "\u{1f600}",
      "or",
      "\n",
    ),
    { maxLength: 30 },
  );
  const texts = fc.oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.string({ maxLength: 60 }),
    pieces.map((list) => list.join("")),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const reading = readFilter(text);
      if (reading.is === "refused") return reading.refusal.at <= text.length && reading.refusal.expected !== "";
      assert.deepEqual(readFilter(printFilter(reading.filter)), reading, text);
      return typeof evaluate(reading.filter, pump, now) === "boolean";
    }),
    { numRuns: 1_500 },
  );
});

const word = fc.oneof(
  fc.constantFrom("or", "OR", "a b", '"', "\\", "-", "a:b", "(", "<1", "=", "é"),
  fc.string({ minLength: 1, maxLength: 8 }).filter((text) => /^[\x20-\x7e]+$/.test(text)),
);
const anyFilter: fc.Arbitrary<Filter> = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    word.map((contains) => ({ is: "text", contains }) as const),
    word.map((id) => ({ is: "id", id }) as const),
    word.map((value) => ({ is: "tag", key: "k.1", value }) as const),
    fc.constant({ is: "tag", key: "k" } as const),
    fc.constantFrom(...statuses).map((status) => ({ is: "status", status }) as const),
    fc.constantFrom(...lifecycles).map((lifecycle) => ({ is: "lifecycle", lifecycle }) as const),
    fc
      .tuple(
        fc.constantFrom("<", "<=", "=", ">", ">="),
        word.filter((text) => !/^[<>=]/.test(text)),
      )
      .map(([compare, version]) => ({ is: "fw", compare, version }) as Filter),
    fc
      .tuple(fc.constantFrom("<", "<=", ">", ">="), fc.nat(200_000_000_000))
      .map(([compare, age]) => ({ is: "lastSeen", compare, age }) as Filter),
    fc
      .tuple(fc.constantFrom("and", "or"), fc.array(tie("filter"), { minLength: 2, maxLength: 3 }))
      .map(([is, of]) => ({ is, of }) as Filter),
    tie("filter").map((of) => ({ is: "not", of }) as const),
  ),
})).filter;

test("a printed filter reads back as the same filter", () => {
  fc.assert(
    fc.property(anyFilter, (filter) => {
      const text = printFilter(filter);
      if (text.length <= 1_000) assert.deepEqual(parseFilter(text), filter, text);
    }),
    { numRuns: 1_000 },
  );
});

test("versions are ordered as SemVer 2.0 clause 11 says", () => {
  const rising = [
    "0.9",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.0.1",
    "1.2.9",
    "1.2.10",
    "1.10",
    "2.0.0-0",
    "2",
    "10",
    "nightly",
  ];
  rising.forEach((version, i) => {
    for (const [j, other] of rising.entries())
      assert.equal(compareVersions(version, other), Math.sign(i - j), `${version} and ${other}`);
  });
  for (const same of ["v1.4.0", "1.4", "1.4.0+build.7", "01.4"]) assert.equal(compareVersions("1.4.0", same), 0, same);
});

test("dynamic groups are replaced by their filters, static ones stay", () => {
  const groups: Record<string, Filter | null> = {
    lab: null,
    north: parseFilter("tag:site=oslo"),
    rest: parseFilter("-group:lab group:north"),
  };
  const expand = (text: string) =>
    printFilter(
      expandGroups(parseFilter(text), (name) =>
        Object.hasOwn(groups, name) ? (groups[name] ? { is: "dynamic", filter: groups[name] } : { is: "static" }) : undefined,
      ),
    );
  assert.equal(expand("x OR -group:rest"), "x OR -(-group:lab tag:site=oslo)");
  assert.throws(() => expand("group:south"), { code: "filter_group_unknown" });
});

test("groups that are defined by themselves, or grow without bound, are refused", () => {
  const meaning = (text: string) => ({ is: "dynamic", filter: parseFilter(text) }) as const;
  assert.throws(() => expandGroups(parseFilter("group:a"), (name) => meaning(name === "a" ? "group:b" : "group:a")), {
    code: "filter_group_circular",
  });
  const doubling = (name: string) => meaning(`group:${name}x group:${name}y`);
  assert.throws(() => expandGroups(parseFilter("group:a"), doubling), { code: "filter_too_long" });
  const wide = Array.from({ length: 90 }, () => "group:w").join(" ");
  assert.throws(() => expandGroups(parseFilter(wide), () => meaning("a b c d e f")), { code: "filter_too_long" });
});
