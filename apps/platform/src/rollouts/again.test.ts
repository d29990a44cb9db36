import assert from "node:assert/strict";
import { test } from "node:test";
import { previewRollout } from "./preview.shell.ts";
import { type Effect, type Fleet, hashOf, pretendFleet, scope, who } from "./testing.ts";
import { rollBackRollout } from "./writes.shell.ts";

const quick = { deadline: "PT5M", soak: "PT30S" };

test("a release that was taken back and is rolled out again stays with the devices that take it then", async () => {
  let effect: Effect = "falls_back";
  await using fleet = await pretendFleet({ devices: 10, effects: (version) => (version === "2.0.0" ? effect : "good") });
  await fleet.release("1.0.0");
  await fleet.tick();
  await fleet.release("2.0.0");
  const plan = { release: "2.0.0", stages: [{ share: 0.2 }, { share: 1 }], ...quick };
  const first = await fleet.start(plan);
  assert.equal(await fleet.untilEnded(first.id), "rolled_back");
  const { takenBack } = await previewRollout(fleet.deps, scope, plan);
  assert.equal(takenBack?.rollout, first.id);
  assert.match(takenBack?.because ?? "", /failed/);
  // What kept it from booting was mended elsewhere; the bytes are the same.
  effect = "good";
  const second = await fleet.start(plan);
  assert.equal(await fleet.untilEnded(second.id), "completed");
  assert.equal((await previewRollout(fleet.deps, scope, plan)).takenBack, undefined);
  await liveOn(fleet);
  assert.deepEqual(new Set([...fleet.devices.values()].map(({ firmware }) => firmware.hash)), new Set([hashOf("2.0.0")]));
  assert.deepEqual(
    (await fleet.rowsOf(first.id)).filter(({ rollback }) => rollback),
    [],
  );
});

test("a device that was away while its release was taken back keeps it, once that is rolled out again", async () => {
  await using fleet = await pretendFleet({ devices: 6 });
  const { plan, first, away } = await takenBackWhileAway(fleet);
  const wayBack = async () => (await fleet.rowsOf(first.id)).filter(({ rollback, device }) => rollback && device === "d3");
  assert.deepEqual(
    (await wayBack()).map(({ state }) => state),
    ["unresponsive"],
  );
  const second = await fleet.start(plan);
  assert.equal(await fleet.untilEnded(second.id), "completed");
  away.reachable = true;
  await liveOn(fleet);
  assert.equal(away.firmware.version, "2.0.0");
  assert.equal((await wayBack()).length, 1);
});

test("who came up with a release while it was rolled out again is led back when that is taken back as well", async () => {
  await using fleet = await pretendFleet({ devices: 6 });
  const { plan, away } = await takenBackWhileAway(fleet);
  const second = await fleet.start(plan);
  assert.equal(await fleet.untilEnded(second.id), "completed");
  away.reachable = true;
  await liveOn(fleet);
  assert.equal(away.firmware.version, "2.0.0");
  await rollBackRollout(fleet.deps, who, { id: second.id, reason: "customers complain again" });
  assert.equal(await fleet.untilEnded(second.id), "rolled_back");
  await liveOn(fleet);
  assert.deepEqual(new Set([...fleet.devices.values()].map(({ firmware }) => firmware.version)), new Set(["1.0.0"]));
});

/** Everybody took the release; it was taken back while one of them was away. */
async function takenBackWhileAway(fleet: Fleet) {
  await fleet.release("1.0.0");
  await fleet.tick();
  await fleet.release("2.0.0");
  const plan = { release: "2.0.0", ...quick };
  const first = await fleet.start(plan);
  assert.equal(await fleet.untilEnded(first.id), "completed");
  const away = fleet.devices.get("d3");
  assert.ok(away);
  away.reachable = false;
  await rollBackRollout(fleet.deps, who, { id: first.id, reason: "customers complain" });
  assert.equal(await fleet.untilEnded(first.id), "rolled_back");
  return { plan, first, away };
}

async function liveOn(fleet: Fleet): Promise<void> {
  for (let i = 0; i < 30; i++) {
    await fleet.tick();
    await fleet.rollouts.reconcile();
  }
}
