import assert from "node:assert/strict";
import { test } from "node:test";
import { days, hours, minutes } from "@tenfold/base";
import { createAttemptLimit } from "./attempts.ts";
import { isMeant, isOpen } from "./session.ts";

const began = Date.UTC(2026, 10, 22);
const times = (lastSeenAfter: number) => ({
  createdAt: new Date(began),
  lastSeenAt: new Date(began + lastSeenAfter),
  endedAt: null,
});

test("a session ends after twelve idle hours, after seven days in any case, and at once when it was ended", () => {
  assert.equal(isOpen(times(0), began + hours(12) - 1), true);
  assert.equal(isOpen(times(0), began + hours(12)), false);
  assert.equal(isOpen(times(days(7) - minutes(1)), began + days(7) - 1), true);
  assert.equal(isOpen(times(days(7) - minutes(1)), began + days(7)), false);
  assert.equal(isOpen({ ...times(0), endedAt: new Date(began + 1) }, began + 2), false);
});

test("a cookie may read from anywhere, but change only from a page of the same host", () => {
  const host = "fleet.example:8080";
  assert.equal(isMeant({ method: "GET", origin: undefined, host }), true);
  assert.equal(isMeant({ method: "POST", origin: "http://fleet.example:8080", host }), true);
  for (const origin of [
    undefined,
    "null",
    "http://fleet.example",
    "http://evil.example",
    "https://fleet.example:8080.evil.example",
  ]) {
    for (const method of ["POST", "PUT", "PATCH", "DELETE"])
      assert.equal(isMeant({ method, origin, host }), false, `${method} from ${origin}`);
  }
});

test("behind a proxy the console's public address counts as our own page", () => {
  const sender = { method: "POST", host: "10.0.0.7:8080", publicUrl: "https://fleet.example/" };
  assert.equal(isMeant({ ...sender, origin: "https://fleet.example" }), true);
  assert.equal(isMeant({ ...sender, origin: "http://fleet.example" }), false);
});

test("after thirty wrong tokens in a minute an address must wait, but a token that was good before goes on", () => {
  const limit = createAttemptLimit();
  limit.succeeded({ address: "10.0.0.1", secret: "good" });
  for (let i = 0; i < 30; i++) limit.failed({ address: "10.0.0.1", secret: `bad-${i}` }, began);
  assert.equal(limit.mayTry({ address: "10.0.0.1", secret: "bad-31" }, began + 1), false);
  assert.equal(limit.mayTry({ address: "10.0.0.1", secret: "good" }, began + 1), true);
  assert.equal(limit.mayTry({ address: "10.0.0.2", secret: "bad-31" }, began + 1), true);
  assert.equal(limit.mayTry({ address: "10.0.0.1", secret: "bad-31" }, began + minutes(1)), true);
});

test("the limit remembers only so many addresses", () => {
  const limit = createAttemptLimit(2);
  for (const address of ["a", "b", "c"]) for (let i = 0; i < 30; i++) limit.failed({ address, secret: "x" }, began);
  assert.deepEqual(
    ["a", "b", "c"].map((address) => limit.mayTry({ address, secret: "y" }, began)),
    [true, false, false],
  );
});
