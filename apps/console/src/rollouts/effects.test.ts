import assert from "node:assert/strict";
import { test } from "node:test";
import { effectOf } from "./effects.ts";

const halfWay = { targets: 20, counts: { queued: 13, downloading: 1, rebooting: 1, succeeded: 4, failed: 1 } };

test("cancelling says for good, and how many devices wait, are on the way, and keep the release", () => {
  const effect = effectOf("cancel", halfWay);
  assert.match(effect, /cannot be undone/);
  assert.match(effect, /13 devices still to be offered it will not get it\./);
  assert.match(effect, /2 devices on the way will be told to stop\./);
  assert.match(effect, /4 devices that took the release will keep it\./);
});

test("rolling back says who goes back, in the singular for one device", () => {
  const effect = effectOf("rollback", { targets: 3, counts: { succeeded: 1 } });
  assert.match(effect, /cannot be undone/);
  assert.match(effect, /1 device that took the release will go back/);
  assert.match(effect, /2 devices still to be offered it/);
});

test("rolling back what reached nobody says that there is nothing to bring back", () => {
  assert.match(effectOf("rollback", { targets: 3, counts: {} }), /nothing is to be brought back/);
});

test("groups without a device are not named", () => {
  assert.doesNotMatch(effectOf("cancel", { targets: 2, counts: { succeeded: 2 } }), /on the way|still to be offered/);
  assert.doesNotMatch(effectOf("pause", { targets: 2, counts: { succeeded: 2 } }), /\d/);
});
