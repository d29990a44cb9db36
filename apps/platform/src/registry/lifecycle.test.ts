import assert from "node:assert/strict";
import { test } from "node:test";
import { lifecycles } from "@tenfold/query";
import { assertMayBecome, assertMayBeMade, mayBecome } from "./lifecycle.ts";

test("retired is final, and every other state can be retired", () => {
  assert.ok(lifecycles.every((to) => !mayBecome("retired", to)));
  assert.ok(lifecycles.every((from) => from === "retired" || mayBecome(from, "retired")));
});

test("no state follows itself, and nothing goes back to before its enrollment", () => {
  assert.ok(lifecycles.every((state) => !mayBecome(state, state)));
  assert.ok(lifecycles.every((from) => !mayBecome(from, "expected") && (from === "expected" || !mayBecome(from, "pending"))));
});

test("a person cannot let in a device that has not enrolled", () => {
  assert.throws(() => assertMayBeMade("a", "pending", "active"), { code: "lifecycle_not_allowed", fix: /enroll approve/ });
  assertMayBecome("a", "pending", "active");
  assertMayBeMade("a", "suspended", "active");
});

test("a refusal names what the device can become instead", () => {
  assert.throws(() => assertMayBecome("a", "expected", "suspended"), {
    fix: "From expected it can become: pending, active, retired.",
  });
});
