import assert from "node:assert/strict";
import { test } from "node:test";
import { readAssignments, readDeadline } from "./arguments.ts";

test("a value that is JSON is that, everything else is text; only the first = parts name and value", () => {
  assert.deepEqual(readAssignments(["n=5", "on=true", "gone=null", "list=[1]", "word=eco", "a=b=c", "empty="]), {
    n: 5,
    on: true,
    gone: null,
    list: [1],
    word: "eco",
    a: "b=c",
    empty: "",
  });
  for (const wrong of ["eco", "=5", ""]) assert.throws(() => readAssignments([wrong]), { code: "usage" });
});

test("a deadline is read as people and as ISO 8601 write it", () => {
  assert.deepEqual([readDeadline("90s"), readDeadline("PT2H"), readDeadline("1d")], ["PT1M30S", "PT2H", "P1D"]);
  for (const wrong of ["", "soon", "0s"]) assert.throws(() => readDeadline(wrong), { code: "usage" });
});
