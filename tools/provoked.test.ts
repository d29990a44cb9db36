import assert from "node:assert/strict";
import { test } from "node:test";
import { coverageOf, documentedIn } from "./provoked.ts";

const errors =
  "| code | HTTP status | declared by |\n| `device_unknown` | 404 Not Found | registry |\n| `der_malformed` | 400 Bad Request | pki |\n";
const enrollment = "| `code_wrong`, `code_spent` | 401 | clause 3.5 |\n| `cacerts` | GET | none |\n";

test("both pages' tables are read, and each code has its part", () => {
  assert.deepEqual(
    documentedIn(errors, enrollment).map(({ code, part }) => `${part}/${code}`),
    ["registry/device_unknown", "pki/der_malformed", "enrollment/code_wrong", "enrollment/code_spent"],
  );
});

test("a code of identity that no test provokes is missing; another part's is told and let pass", () => {
  const { provoked, missing, elsewhere } = coverageOf(documentedIn(errors, enrollment), new Set(["code_wrong"]));
  assert.equal(provoked, 1);
  assert.deepEqual(
    missing.map(({ code }) => code),
    ["der_malformed", "code_spent"],
  );
  assert.deepEqual(
    elsewhere.map(({ code }) => code),
    ["device_unknown"],
  );
});
