import assert from "node:assert/strict";
import { test } from "node:test";
import { readObject } from "./command.ts";

test("what a person types as arguments is a JSON object, or nothing; everything else is told", () => {
  assert.deepEqual([readObject(" "), readObject('{"seconds": 5}')], [{}, { seconds: 5 }]);
  for (const wrong of ["5", "[1]", "null", "{seconds: 5}", "seconds=5"]) assert.equal(readObject(wrong), undefined);
});
