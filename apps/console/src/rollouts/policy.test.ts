import assert from "node:assert/strict";
import { test } from "node:test";
import { rolloutPolicy } from "@tenfold/contracts";
import { policyDraftOf, readPolicy } from "./policy.ts";

test("a policy comes through its fields unchanged, with a bound and without", () => {
  const windows = [{ days: ["sat" as const], from: "22:00", to: "04:00", zone: "Europe/Berlin" }];
  for (const policy of [
    rolloutPolicy.parse({}),
    rolloutPolicy.parse({ atOnce: 500, approvals: 2, windows, pricePerGb: { amount: 450, currency: "EUR" } }),
  ])
    assert.deepEqual(readPolicy(policyDraftOf(policy)), { is: "policy", policy });
});

test("what cannot be read is said at its field", () => {
  const reading = readPolicy({ atOnce: "0", approvals: "6", windows: "night", pricePerGb: "much" });
  assert.ok(reading.is === "unreadable");
  assert.deepEqual(Object.keys(reading.faults), ["atOnce", "approvals", "windows", "pricePerGb"]);
});
