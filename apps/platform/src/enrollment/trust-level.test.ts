import assert from "node:assert/strict";
import { test } from "node:test";
import { type TrustEvidence, trustLevel } from "./trust-level.ts";

const level = (evidence: Partial<TrustEvidence>) =>
  trustLevel({ admittedBy: "manifest", keyHeldIn: "software", ...evidence }).level;

test("each level needs the evidence of its own kind, and a person's word never counts for more than 0", () => {
  assert.equal(level({ admittedBy: "person" }), 0);
  assert.equal(level({ admittedBy: "person", keyHeldIn: "secure_element" }), 0);
  assert.equal(level({}), 1);
  assert.equal(level({ keyHeldIn: "secure_element" }), 2);
});

test("a genuine TPM with the device's key is 3, and 4 only while what it measured matches a reference", () => {
  assert.equal(level({ attestation: { keyInTpm: true, software: "unjudged" } }), 3);
  assert.equal(level({ attestation: { keyInTpm: true, software: "differs" } }), 3);
  assert.equal(level({ attestation: { keyInTpm: true, software: "matches" } }), 4);
  assert.equal(level({ admittedBy: "person", attestation: { keyInTpm: true, software: "matches" } }), 4);
});

test("software that matches is worth nothing when the key is not in that TPM", () => {
  assert.equal(level({ attestation: { keyInTpm: false, software: "matches" } }), 1);
});

test("each level below 4 says what would raise it", () => {
  for (const attestation of [undefined, { keyInTpm: true, software: "differs" }, { keyInTpm: true, software: "unjudged" }] as const)
    assert.match(trustLevel({ admittedBy: "manifest", keyHeldIn: "software", attestation }).next ?? "", /\.$/);
});
