import assert from "node:assert/strict";
import { test } from "node:test";
import type { DevicePicture } from "./deps.ts";
import { chooseTargets, fittingOf, pointlessOffer, type Target } from "./targets.ts";
import { wayTo } from "./way.ts";

const sha256 = "ab".repeat(32);
const fits = { name: "pump", version: "3.0.0", models: ["pump-2"] };
const release: Target = { version: "3.0.0", sha256, fits, channel: "stable" };
const device = (over: Partial<DevicePicture> = {}): DevicePicture => ({
  id: "d",
  lifecycle: "active",
  model: "pump-2",
  hardwareRevision: "B",
  tags: {},
  firmware: { version: "1.0.0", state: "confirmed" },
  connectivity: { is: "online" },
  ...over,
});
const why = (one: DevicePicture, target: Target = release) =>
  chooseTargets([one], { release: target, weight: 100, now: 0, busy: new Map(), pins: new Map() }).excluded[0]?.because ?? "taken";

test("a rollout leaves out whom the release does not fit, and says why in words that are alike for all of them", () => {
  assert.equal(why(device()), "taken");
  assert.equal(why(device({ model: "valve" })), "is another model");
  assert.equal(why(device({ model: undefined })), "has not said which model it is");
  const hardware = { ...release, fits: { ...fits, hardwareRevisions: ["A", "A2"] } };
  assert.equal(why(device(), hardware), "is hardware revision B, and the release is for A, A2");
  assert.equal(why(device({ hardwareRevision: undefined }), hardware), "has not said which hardware revision it is");
  assert.equal(why(device({ hardwareRevision: "A2" }), hardware), "taken");
  const minimum = { ...release, fits: { ...fits, minimumVersion: "2.0.0" } };
  assert.equal(why(device(), minimum), "runs a version older than 2.0.0, over which the release is not installed");
  const stones = { ...release, fits: { ...fits, mustPassThrough: ["1.5.0", "2.0.0"] } };
  assert.equal(why(device(), stones), "must install 1.5.0 first, and no usable release here leads to it");
  assert.equal(
    why(device({ firmware: { version: "1.5.0" } }), stones),
    "must install 2.0.0 first, and no usable release here leads to it",
  );
  assert.equal(why(device({ firmware: { version: "2.0.0" } }), stones), "taken");
  assert.equal(why(device({ firmware: undefined }), stones), "taken", "what runs there is not known; the device judges itself");
  assert.equal(why(device({ firmware: { version: "4.0.0" } }), stones), "runs a newer version");
  assert.equal(why(device({ firmware: { version: "3.0.0", hash: sha256 } }), hardware), "runs this release already");
});

test("a release in a channel goes to devices that follow it or a bolder one; without a tag a device follows stable", () => {
  const beta: Target = { ...release, channel: "beta" };
  const following = (channel: string) => device({ tags: { channel } });
  assert.equal(why(device(), beta), "follows the channel stable, and the release is in beta");
  assert.deepEqual([why(following("beta"), beta), why(following("dev"), beta)], ["taken", "taken"]);
  assert.equal(why(following("nightly"), beta), "follows the channel stable, and the release is in beta");
  for (const channel of ["stable", "beta", "dev"]) assert.equal(why(following(channel)), "taken", channel);
});

test("what no longer fits when its turn comes is passed over, not offered in vain", () => {
  const offered = (one: DevicePicture) => {
    const way = wayTo({ ...fits, mustPassThrough: ["2.0.0"] }, fittingOf(one), new Map());
    return pointlessOffer(one, { target: release, ...(way.is === "none" ? { misfit: way.misfit } : {}) })?.reason;
  };
  assert.equal(offered(device({ firmware: { version: "2.0.0" } })), undefined);
  assert.equal(offered(device({ firmware: { version: "1.0.0" } })), "offer_must_pass_through");
  assert.equal(offered(device({ model: "valve", firmware: { version: "2.0.0" } })), "offer_incompatible_model");
});

test("whom a stepping stone leads to the release is taken, and counted by the stones it goes over", () => {
  const stone = { release: "rel_2", version: "2.0.0", sha256: "cd".repeat(32), size: 5, fits: { ...fits, version: "2.0.0" } };
  const target = { ...release, fits: { ...fits, mustPassThrough: ["2.0.0"] } };
  const devices = [device(), device({ id: "e" }), device({ id: "f", firmware: { version: "2.0.0" } })];
  const circumstance = { release: target, weight: 100, now: 0, busy: new Map(), pins: new Map() };
  const choice = chooseTargets(devices, { ...circumstance, stones: new Map([["2.0.0", stone]]) });
  assert.deepEqual([choice.targets.length, choice.excluded], [3, []]);
  assert.deepEqual(
    choice.detours.map(({ stones, devices }) => [stones.map(({ version }) => version), devices]),
    [[["2.0.0"], 2]],
  );
});

test("a device that tries another release out is brought back from what it had confirmed, for a trial may end as it began", () => {
  const undone = { version: "1.0.0", sha256: "cd".repeat(32) };
  const back = (firmware: DevicePicture["firmware"]) =>
    pointlessOffer(device({ firmware }), { target: { version: "0.9.0", sha256: "ef".repeat(32) }, undoes: undone })?.reason;
  assert.equal(back({ version: "1.0.0", state: "confirmed" }), undefined);
  assert.equal(back({ version: "2.0.0", state: "confirmed" }), "superseded");
  assert.equal(back({ version: "2.0.0", state: "trial" }), undefined);
});
