import assert from "node:assert/strict";
import { test } from "node:test";
import { hours, minutes } from "@tenfold/base";
import { verifyRelease } from "@tenfold/ota";
import { listDeployments } from "./facts.shell.ts";
import { type Effect, hashOf, pretendFleet, scope, struck, who } from "./testing.ts";
import { cancelRollout, pauseRollout, resumeRollout, rollBackRollout } from "./writes.shell.ts";

const quick = { deadline: "PT5M", soak: "PT30S" };

test("a good release reaches every device, stage by stage, and each was seen to boot it", async () => {
  await using fleet = await pretendFleet({ devices: 20 });
  await fleet.release("1.0.0");
  await fleet.tick();
  const release = await fleet.release("1.1.0");
  const { id } = await fleet.start({ release: "1.1.0", ...quick });
  assert.equal(await fleet.untilEnded(id), "completed");
  const rows = await fleet.rowsOf(id);
  assert.deepEqual(new Set(rows.map(({ state }) => state)), new Set(["succeeded"]));
  assert.ok([...fleet.devices.values()].every(({ firmware }) => firmware.hash === hashOf("1.1.0")));
  const [fact] = await fleet.rollouts.patchFacts(scope, { from: 0, to: fleet.clock.time });
  assert.deepEqual(
    [fact?.release, fact?.devices.length, fact?.devices.every(({ patchedAt }) => patchedAt !== undefined)],
    [release.id, 20, true],
  );
  assert.deepEqual(await fleet.rollouts.conditions(scope), []);
});

const bricksSome = (version: string, device: string): Effect => (version === "1.2.0" && struck(device, 0.4) ? "bricks" : "good");

test("a release that bricks devices silently is halted in its canary; who took it is back on the last known good one", async () => {
  await using fleet = await pretendFleet({ devices: 40, effects: bricksSome });
  await fleet.release("1.0.0");
  await fleet.tick();
  await fleet.release("1.2.0");
  const { id } = await fleet.start({ release: "1.2.0", stages: [{ share: 0.2 }, { share: 1 }], ...quick });
  assert.equal(await fleet.untilEnded(id), "rolled_back");
  const rows = await fleet.rowsOf(id);
  const harmed = rows.filter(({ state, rollback }) => state === "unresponsive" && !rollback);
  assert.ok(harmed.length >= 1 && harmed.every(({ stage }) => stage === 0));
  assert.ok([...fleet.devices.values()].filter(({ alive }) => alive).every(({ firmware }) => firmware.version === "1.0.0"));
  const [condition] = await fleet.rollouts.conditions(scope);
  assert.match(condition?.because ?? "", /devices failed or fell silent/);
  assert.deepEqual(condition?.harmedDevices.toSorted(), harmed.map(({ device }) => device).toSorted());
  const [fact] = await fleet.rollouts.patchFacts(scope, { from: 0, to: fleet.clock.time });
  assert.ok(
    fact?.devices.every(({ patchedAt, censoredAt }) => patchedAt === undefined && censoredAt !== undefined),
    "a fix that was taken back patched nobody",
  );
});

test("a device that falls back to its old slot is harm, and is left where it is", async () => {
  await using fleet = await pretendFleet({ devices: 10, effects: (version) => (version === "2.0.0" ? "falls_back" : "good") });
  await fleet.release("1.0.0");
  await fleet.tick();
  await fleet.release("2.0.0");
  const { id } = await fleet.start({ release: "2.0.0", stages: [{ share: 0.2 }, { share: 1 }], ...quick });
  assert.equal(await fleet.untilEnded(id), "rolled_back");
  const rows = await fleet.rowsOf(id);
  assert.deepEqual(
    rows.filter(({ stage, rollback }) => stage === 0 && !rollback).map(({ state, reason }) => [state, reason]),
    [
      ["rolled_back", "boot_fell_back"],
      ["rolled_back", "boot_fell_back"],
    ],
  );
  assert.equal(rows.filter(({ rollback }) => rollback).length, 0);
});

test("where no release is known for what ran before, the device is named as one that cannot be restored", async () => {
  await using fleet = await pretendFleet({ devices: 6 });
  await fleet.tick();
  await fleet.release("1.1.0");
  const { id } = await fleet.start({ release: "1.1.0", ...quick });
  assert.equal(await fleet.untilEnded(id), "completed");
  await rollBackRollout(fleet.deps, who, { id, reason: "customers complain" });
  assert.equal(await fleet.untilEnded(id), "rolled_back");
  const rows = (await fleet.rowsOf(id)).filter(({ rollback }) => rollback);
  assert.deepEqual(new Set(rows.map(({ state, reason }) => `${state} ${reason}`)), new Set(["skipped rollback_target_unknown"]));
  assert.equal(rows.length, 6);
});

test("a device that comes back from silence with the bad release is brought back too, and stays counted as harmed", async () => {
  await using fleet = await pretendFleet({ devices: 10 });
  await fleet.release("1.0.0");
  await fleet.tick();
  await fleet.release("1.1.0");
  const { id } = await fleet.start({ release: "1.1.0", stages: [{ share: 0.3 }, { share: 1 }], ...quick });
  await fleet.rollouts.reconcile();
  await fleet.rollouts.reconcile();
  const lost = (await fleet.rowsOf(id)).find(({ state }) => state === "offered")?.device ?? "";
  const device = fleet.devices.get(lost);
  assert.ok(device);
  for (let i = 0; i < 4; i++) await fleet.tick();
  // It takes the update, and is not heard for a while.
  device.reachable = false;
  device.boot += 1;
  device.firmware = { version: "1.1.0", hash: hashOf("1.1.0") };
  delete device.work;
  assert.equal(await fleet.untilEnded(id), "rolled_back");
  device.reachable = true;
  await fleet.tick();
  assert.equal(await fleet.untilEnded(id), "rolled_back");
  assert.equal(device.firmware.version, "1.0.0");
  const row = (await fleet.rowsOf(id)).find((one) => one.device === lost && !one.rollback);
  assert.deepEqual([row?.state, row?.returned_with], ["unresponsive", "new"]);
});

test("an offer that was recorded and never sent is sent by the next look: dying between the two changes nothing", async () => {
  const outcome = async (dies: boolean) => {
    await using fleet = await pretendFleet({ devices: 15 });
    await fleet.release("1.0.0");
    await fleet.tick();
    await fleet.release("1.1.0");
    const { id } = await fleet.start({ release: "1.1.0", ...quick });
    const { refresh } = fleet.link;
    let calls = 0;
    fleet.link.refresh = (device, topic) => {
      calls += 1;
      if (dies && calls % 2 === 1) throw new Error("killed between record and act");
      return refresh(device, topic);
    };
    const reconcile = () => fleet.rollouts.reconcile().catch((error: Error) => assert.match(error.message, /killed/));
    const phase = await fleet.untilEnded(id, { reconcile });
    return { phase, states: (await fleet.rowsOf(id)).map(({ device, state }) => `${device.length} ${state}`).toSorted() };
  };
  assert.deepEqual(await outcome(true), await outcome(false));
});

test("two servers that look at the same rollout at once offer nothing twice and never more than the plan allows", async () => {
  await using fleet = await pretendFleet({ devices: 20 });
  await fleet.release("1.0.0");
  await fleet.tick();
  await fleet.release("1.1.0");
  const { id } = await fleet.start({ release: "1.1.0", stages: [{ share: 1 }], atOnce: 3, ...quick });
  let most = 0;
  const reconcile = async () => {
    await Promise.all([fleet.rollouts.reconcile(), fleet.rollouts.reconcile(), fleet.rollouts.reconcile()]);
    most = Math.max(most, (await fleet.rowsOf(id)).filter(({ state }) => !["queued", "succeeded"].includes(state)).length);
  };
  assert.equal(await fleet.untilEnded(id, { reconcile }), "completed");
  assert.equal(most, 3);
});

test("a pause stops offers and nothing else; resuming goes on", async () => {
  await using fleet = await pretendFleet({ devices: 10 });
  await fleet.tick();
  await fleet.release("1.1.0");
  const { id } = await fleet.start({ release: "1.1.0", stages: [{ share: 1 }], atOnce: 2, ...quick });
  await fleet.rollouts.reconcile();
  await pauseRollout(fleet.deps, who, { id, reason: "lunch" });
  for (let i = 0; i < 10; i++) {
    await fleet.tick();
    await fleet.rollouts.reconcile();
  }
  const states = (await fleet.rowsOf(id)).map(({ state }) => state);
  assert.deepEqual(
    [states.filter((state) => state === "succeeded").length, states.filter((state) => state === "queued").length],
    [2, 8],
  );
  await resumeRollout(fleet.deps, who, { id, reason: "back" });
  await assert.rejects(resumeRollout(fleet.deps, who, { id, reason: "again" }), { code: "rollout_phase_conflict" });
  assert.equal(await fleet.untilEnded(id), "completed");
});

test("a device in flight is told to cancel once the rollout has halted", async () => {
  await using fleet = await pretendFleet({ devices: 4 });
  await fleet.release("1.0.0");
  await fleet.tick();
  await fleet.release("1.1.0");
  const { id } = await fleet.start({ release: "1.1.0", stages: [{ share: 1 }], ...quick });
  await fleet.rollouts.reconcile();
  await fleet.rollouts.reconcile();
  assert.equal((await fleet.rollouts.next("d0", scope)).is, "offer");
  await rollBackRollout(fleet.deps, who, { id, reason: "wrong file" });
  assert.equal((await fleet.rollouts.next("d0", scope)).is, "cancel");
  assert.equal(await fleet.untilEnded(id), "rolled_back");
  assert.deepEqual(new Set((await fleet.rowsOf(id)).map(({ state }) => state)), new Set(["cancelled"]));
  assert.equal((await fleet.rollouts.next("d0", scope)).is, "none");
});

test("devices that already run it, are busy, or would go back are left out, and the preview says so", async () => {
  await using fleet = await pretendFleet({ devices: 5 });
  await fleet.tick();
  await fleet.release("0.9.0");
  await fleet.release("1.0.0");
  await fleet.release("1.1.0");
  await assert.rejects(fleet.start({ release: "0.9.0" }), { code: "rollout_without_targets" });
  await assert.rejects(fleet.start({ release: "1.0.0" }), { code: "rollout_without_targets" });
  await fleet.start({ release: "1.1.0" });
  await fleet.release("1.2.0");
  await assert.rejects(fleet.start({ release: "1.2.0" }), { code: "rollout_without_targets" });
  await assert.rejects(fleet.start({ release: "9.9.9" }), { code: "rollout_release_unusable" });
  await assert.rejects(fleet.start({ release: "1.2.0", stages: [{ share: 0.5 }, { share: 0.5 }] }), {
    code: "rollout_stages_invalid",
    field: "stages.1.share",
  });
});

test("a repeated idempotency key starts nothing; with another plan it is refused", async () => {
  await using fleet = await pretendFleet({ devices: 3 });
  await fleet.release("1.1.0");
  await fleet.release("1.2.0");
  const first = await fleet.start({ release: "1.1.0" }, "key-1");
  assert.equal((await fleet.start({ release: "1.1.0" }, "key-1")).id, first.id);
  await assert.rejects(fleet.start({ release: "1.2.0" }, "key-1"), { code: "idempotency_key_reused" });
});

test("what a device is offered is signed, names its bytes, and leaves it the time that is left", async () => {
  await using fleet = await pretendFleet({ devices: 1 });
  await fleet.tick();
  const release = await fleet.release("1.1.0");
  await fleet.start({ release: release.id, deadline: "PT10M" });
  fleet.link.refresh = () => false;
  await fleet.rollouts.reconcile();
  fleet.clock.time += minutes(4);
  const next = await fleet.rollouts.next("d0", scope);
  assert.ok(next.is === "offer");
  assert.deepEqual([next.deadlineS, next.rollback, next.artifactPath], [360, false, `/v1/artifacts/${hashOf("1.1.0")}`]);
  assert.deepEqual(next.release, release.envelope);
  assert.equal(verifyRelease(next.release, { trustedKeys: [] }).is, "refuse");
});

for (const seed of ["a", "b"]) {
  test(`in bad weather (seed ${seed}) every rollout ends, nobody succeeds without the boot, and nobody reachable keeps a bad release`, async () => {
    const effects = (version: string, device: string): Effect => {
      if (version === "1.1.0") return "good";
      return struck(`${seed}${device}`, 0.15)
        ? "bricks"
        : struck(device, 0.1)
          ? "falls_back"
          : struck(`${device}${seed}`, 0.1)
            ? "no_download"
            : "good";
    };
    await using fleet = await pretendFleet({ devices: 24, effects, seed, weather: 0.15 });
    await fleet.release("1.0.0");
    await fleet.tick();
    for (const version of ["1.1.0", "1.2.0"]) {
      await fleet.release(version);
      const { id } = await fleet.start({
        release: version,
        stages: [{ share: 0.2 }, { share: 0.5 }, { share: 1 }],
        haltAbove: 0.2,
        atOnce: 8,
        ...quick,
      });
      const phase = await fleet.untilEnded(id);
      const rows = await fleet.rowsOf(id);
      for (const { device, state, rollback } of rows) {
        assert.ok(!["queued", "offered", "installing", "rebooting"].includes(state), `${device} is ${state}`);
        if (state === "succeeded" && !rollback && phase === "completed")
          assert.equal(fleet.devices.get(device)?.firmware.version, version);
      }
      if (phase !== "rolled_back") continue;
      for (const { id: device, alive, firmware } of fleet.devices.values()) {
        if (!alive || firmware.version !== version) continue;
        assert.ok(
          rows.some((row) => row.device === device && row.rollback && row.state !== "succeeded"),
          `${device} keeps ${version}, and nobody says so`,
        );
      }
    }
  });
}

test("a step that is not done in its time has failed in it, and is tried again by its class; a brick is found by the time of its boot", async () => {
  const effects = (version: string, device: string) => (version !== "1.1.0" ? "good" : device === "d0" ? "hangs" : "bricks");
  await using fleet = await pretendFleet({ devices: 2, effects });
  await fleet.release("1.0.0");
  await fleet.tick();
  await fleet.release("1.1.0");
  const { id } = await fleet.start({
    ...{ release: "1.1.0", stages: [{ share: 1 }], haltAbove: 1, soak: "PT0S", deadline: "PT6H" },
    stepTimeouts: { install: "PT2M", boot: "PT3M" },
    retries: { most: 1, backoff: "PT1M", on: ["install"] },
  });
  const began = fleet.clock.time;
  await fleet.untilEnded(id);
  assert.ok(fleet.clock.time - began < hours(1), "long before the deadline of the whole");
  const items = await listDeployments(fleet.db, scope, { rollout: id, limit: 10 });
  const told = items
    .filter(({ rollback }) => !rollback)
    .map(({ device, attempt, state, reason }) => [device, attempt, state, reason]);
  assert.deepEqual(told.toSorted(), [
    ["d0", 1, "failed", "install_timed_out"],
    ["d0", 2, "failed", "install_timed_out"],
    ["d1", 1, "unresponsive", "silent_after_reboot"],
  ]);
  const hung = items.find(({ device, attempt }) => device === "d0" && attempt === 1);
  assert.deepEqual(
    hung?.steps.map(({ step, to }) => [step, to !== undefined]),
    [
      ["download", true],
      ["install", true],
    ],
  );
});

test("a cancellation that is never answered ends by the deadline: nobody waits for a device that does not stop", async () => {
  await using fleet = await pretendFleet({ devices: 2, effects: (version) => (version === "1.1.0" ? "hangs" : "good") });
  await fleet.release("1.0.0");
  await fleet.tick();
  await fleet.release("1.1.0");
  const { id } = await fleet.start({ release: "1.1.0", stages: [{ share: 1 }], deadline: "PT5M", soak: "PT0S" });
  for (let i = 0; i < 6; i++) {
    await fleet.rollouts.reconcile();
    await fleet.tick();
  }
  // It goes on speaking, and what it is told does not come through.
  fleet.link.refresh = async () => false;
  await cancelRollout(fleet.deps, who, { id, reason: "no" });
  const began = fleet.clock.time;
  assert.equal(await fleet.untilEnded(id), "cancelled");
  assert.ok(fleet.clock.time - began <= minutes(5));
  assert.deepEqual(
    new Set((await fleet.rowsOf(id)).map(({ state, reason }) => `${state} ${reason}`)),
    new Set(["failed install_timed_out"]),
  );
});
