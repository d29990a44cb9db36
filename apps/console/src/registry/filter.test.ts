import assert from "node:assert/strict";
import { test } from "node:test";
import { checkFilter, filterExamples, tagFilter } from "./filter.ts";

test("the examples are filters", () => {
  for (const { filter } of filterExamples) assert.equal(checkFilter(filter), undefined, filter);
});

test("a mistake is told with its place and what was probably meant", () => {
  const fault = checkFilter("tag:site=berlin status:onlin");
  assert.equal(fault?.at, 23);
  assert.match(fault?.fix ?? "", /status:online/);
});

test("a tag's value with a space makes a filter that can be read back", () => {
  assert.equal(checkFilter(tagFilter("site", "new york")), undefined);
});
