import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { deepestJson, isNestedDeeper } from "./json-depth.ts";

const deeper = (text: string, most?: number) => isNestedDeeper(Buffer.from(text), most);

test("levels of lists and objects are counted, and brackets in texts are not", () => {
  assert.deepEqual(
    ['{"a":[1]}', '[{"a":{}}]', '"[[[["', '{"a\\"[[[":"\\\\"}', "[][][]"].map((text) => deeper(text, 2)),
    [false, true, false, false, false],
  );
  assert.equal(deeper("[".repeat(deepestJson)), false);
  assert.equal(deeper("[".repeat(deepestJson + 1)), true);
});

const depthOf = (value: unknown): number =>
  typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;

test("whatever JSON comes, the levels are those of the document", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const depth = depthOf(value);
      assert.deepEqual(
        [deeper(JSON.stringify(value), depth), depth > 0 && deeper(JSON.stringify(value), depth - 1)],
        [false, depth > 0],
      );
    }),
  );
});
