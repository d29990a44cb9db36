import assert from "node:assert/strict";
import { test } from "node:test";
import { minutes } from "@tenfold/base";
import { listDeployments } from "./facts.shell.ts";
import { epoch, type Fleet, pretendFleet, scope, who } from "./testing.ts";
import { cancelRollout, pauseRollout, resumeRollout, rollBackRollout } from "./writes.shell.ts";

const clockFace = (at: number): string => new Date(at).toISOString().slice(11, 16);
/** Opens ten minutes after the fleet began, for a quarter of an hour. */
const openedAt = epoch + minutes(10);
const closedAt = epoch + minutes(25);
const windows = [{ from: clockFace(openedAt), to: clockFace(closedAt), zone: "UTC" }];
const plan = { release: "1.1.0", stages: [{ share: 1 }], deadline: "PT4M", soak: "PT0S", windows, download: "ahead" as const };

async function staged(over: Parameters<typeof pretendFleet>[0], terms: Record<string, unknown> = {}) {
  const fleet = await pretendFleet(over);
  await fleet.release("1.0.0");
  await fleet.tick();
  await fleet.release("1.1.0");
  const { id } = await fleet.start({ ...plan, ...terms });
  return { fleet, id };
}

async function live(fleet: Fleet, until: () => Promise<boolean> | boolean, most = 400): Promise<void> {
  for (let i = 0; i < most; i++) {
    if (await until()) return;
    await fleet.rollouts.reconcile();
    await fleet.tick();
  }
  assert.fail("it did not come to that");
}

const rows = (fleet: Fleet, id: string) => listDeployments(fleet.db, scope, { rollout: id, limit: 100 });
const states = async (fleet: Fleet, id: string) => (await rows(fleet, id)).map(({ state }) => state);
const ready = (fleet: Fleet, id: string) => async () => (await states(fleet, id)).every((state) => state === "verified");
test("before the window every device has the release ready, however few may install at once; each says that it waits; inside it they install", async () => {
  const { fleet, id } = await staged({ devices: 12 }, { atOnce: 3 });
  await using _fleet = fleet;
  await live(fleet, ready(fleet, id));
  assert.ok(fleet.clock.time < openedAt - minutes(5));
  assert.ok([...fleet.devices.values()].every(({ firmware }) => firmware.version === "1.0.0"));
  const why = await fleet.rollouts.explain(scope, { device: "d3" });
  assert.deepEqual([why.code, why.until], ["awaits_window", new Date(openedAt).toISOString()]);
  assert.match(why.because, /It has 1\.1\.0 ready\. Its window .* is closed\./);
  // No deadline runs meanwhile.
  await live(fleet, () => fleet.clock.time >= openedAt - 10_000);
  assert.deepEqual(new Set(await states(fleet, id)), new Set(["verified"]));
  let most = 0;
  await live(fleet, async () => {
    const now = await states(fleet, id);
    most = Math.max(most, now.filter((state) => state === "installing" || state === "rebooting").length);
    return now.every((state) => state === "succeeded");
  });
  assert.ok(most > 0 && most <= 3, `${most} at once`);
  assert.ok(fleet.clock.time < closedAt);
  const [one] = await rows(fleet, id);
  assert.deepEqual(
    one?.steps.map(({ step }) => step),
    ["download", "window", "install", "boot"],
  );
});

test("a halt and a cancellation end what is only ready: devices drop it, those that cannot be reached end at the deadline, and nothing was installed", async () => {
  for (const [end, phase] of [
    [rollBackRollout, "rolled_back"],
    [cancelRollout, "cancelled"],
  ] as const) {
    const { fleet, id } = await staged({ devices: 4 });
    await using _fleet = fleet;
    await live(fleet, ready(fleet, id));
    const away = fleet.devices.get("d0");
    assert.ok(away);
    away.reachable = false;
    await end(fleet.deps, who, { id, reason: "no" });
    const began = fleet.clock.time;
    assert.equal(await fleet.untilEnded(id), phase);
    assert.ok(fleet.clock.time - began < minutes(6));
    assert.deepEqual(
      new Set((await rows(fleet, id)).map(({ state, reason, rollback }) => [state, reason, rollback].join())),
      new Set(["cancelled,rollout_halted,false"]),
    );
    away.reachable = true;
    await live(fleet, () => [...fleet.devices.values()].every(({ work }) => work === undefined));
    assert.ok([...fleet.devices.values()].every(({ firmware }) => firmware.version === "1.0.0"));
  }
});

test("who was let install and fell silent is lost, though it only had it ready; who came too late for the window waits for the next", async () => {
  const { fleet, id } = await staged({ devices: 3 }, { haltAbove: 1, deadline: "PT20M" });
  await using _fleet = fleet;
  await live(fleet, ready(fleet, id));
  const [lost, late] = [fleet.devices.get("d0"), fleet.devices.get("d1")];
  assert.ok(lost && late);
  lost.reachable = late.reachable = false;
  await live(fleet, () => fleet.clock.time >= closedAt + minutes(1));
  late.reachable = true;
  await live(fleet, async () => (await rows(fleet, id)).some(({ device, state }) => device === "d0" && state === "unresponsive"));
  const found = new Map((await rows(fleet, id)).map((one) => [one.device, one]));
  assert.equal(found.get("d0")?.reason, "silent_during_update");
  assert.equal(found.get("d1")?.state, "verified");
  assert.equal((await fleet.rollouts.explain(scope, { device: "d1" })).code, "awaits_window");
  assert.equal(found.get("d2")?.state, "succeeded");
  assert.equal(late.firmware.version, "1.0.0", "it was not in its window");
});

test("a pause, and a freeze of the fleet, keep those from installing that have it ready; it says so", async () => {
  const { fleet, id } = await staged({ devices: 2 });
  await using _fleet = fleet;
  await live(fleet, ready(fleet, id));
  await pauseRollout(fleet.deps, who, { id, reason: "wait" });
  await live(fleet, () => fleet.clock.time >= openedAt + minutes(2));
  assert.deepEqual(new Set(await states(fleet, id)), new Set(["verified"]));
  const why = await fleet.rollouts.explain(scope, { device: "d0" });
  assert.deepEqual([why.code, why.because], ["paused", "It has 1.1.0 ready and waits. It is paused."]);
  await resumeRollout(fleet.deps, who, { id, reason: "on" });
  assert.equal(await fleet.untilEnded(id), "completed");
});

test("a device whose window never comes is given up after the plan's patience, with the release ready, and nothing counts as harm", async () => {
  const { fleet, id } = await staged({ devices: 2 }, { giveUpAfter: "PT6M" });
  await using _fleet = fleet;
  assert.equal(await fleet.untilEnded(id), "completed");
  assert.ok(fleet.clock.time < openedAt);
  assert.deepEqual(
    new Set((await rows(fleet, id)).map(({ state, reason }) => `${state} ${reason}`)),
    new Set(["skipped could_not_be_installed"]),
  );
});
