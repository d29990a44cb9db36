import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { explainDevice } from "./explain.shell.ts";
import { previewRollout } from "./preview.shell.ts";
import { replayRollout } from "./replay.shell.ts";
import { type Effect, hashOf, pretendFleet, scope, who } from "./testing.ts";
import { rollBackRollout } from "./writes.shell.ts";

const quick = { deadline: "PT5M", soak: "PT30S" };

async function fleetBefore3(effects: (version: string, device: string) => Effect = () => "good") {
  const fleet = await pretendFleet({ devices: 12, effects });
  await fleet.release("1.0.0");
  await fleet.release("2.0.0");
  await fleet.release("3.0.0", { mustPassThrough: ["2.0.0"], minimumVersion: "2.0.0" });
  // Two of them have passed the stone before.
  for (const id of ["d0", "d1"]) {
    const device = fleet.devices.get(id);
    if (device) Object.assign(device, { firmware: { version: "2.0.0", hash: hashOf("2.0.0") } });
  }
  await fleet.tick();
  return fleet;
}

type Row = { device: string; version: string; state: string; retried: boolean; attempt: number };
const rows = async ({ db }: Awaited<ReturnType<typeof pretendFleet>>, rollout: string): Promise<Row[]> =>
  (
    await sql<Row>`select device, version, state, retried, attempt from rollouts.deployment where rollout = ${rollout} and not rollback order by device, attempt`.execute(
      db,
    )
  ).rows;

test("devices come to a release over its stepping stone: each boots it, is verified, and is offered the release after that", async () => {
  await using fleet = await fleetBefore3();
  const preview = await previewRollout(fleet.deps, scope, { release: "3.0.0", ...quick });
  assert.deepEqual([preview.targets, preview.detours, preview.excluded], [12, [{ over: ["2.0.0"], devices: 10 }], []]);
  const size = Buffer.byteLength("firmware 3.0.0");
  assert.equal(preview.bytes, 12 * size + 10 * size, "the stone is sent as well");
  const { id } = await fleet.start({ release: "3.0.0", ...quick });
  assert.equal(await fleet.untilEnded(id), "completed");
  assert.ok([...fleet.devices.values()].every(({ firmware }) => firmware.hash === hashOf("3.0.0")));
  const found = await rows(fleet, id);
  const over = found.filter(({ version }) => version === "2.0.0");
  assert.equal(over.length, 10);
  assert.ok(over.every(({ state, retried }) => state === "succeeded" && retried));
  assert.equal(found.filter(({ version, state, retried }) => version === "3.0.0" && state === "succeeded" && !retried).length, 12);
  const [stage] = await stagesOf(fleet, id);
  assert.equal(stage, 12, "each device counts once, for the release and not for the stone");
  const replay = await replayRollout(fleet.deps, scope, id);
  assert.deepEqual([replay.different, replay.equal > 0], [0, true], "the detour stands in what was kept");
});

async function stagesOf({ db }: Awaited<ReturnType<typeof pretendFleet>>, rollout: string): Promise<number[]> {
  const { rows: found } = await sql<{ n: number }>`
    select sum(devices)::int as n from rollouts.tally where rollout = ${rollout} and state = 'succeeded' and not rollback`.execute(
    db,
  );
  return found.map(({ n }) => n);
}

test("whoever asks why a device is not updated hears of the stone while it is on its way, and of the release after it", async () => {
  await using fleet = await fleetBefore3();
  const { id } = await fleet.start({ release: "3.0.0", stages: [{ share: 1 }], ...quick });
  const asked = async () => (await explainDevice(fleet.deps, scope, { device: "d5", rollout: id })).because;
  await fleet.rollouts.reconcile();
  assert.match(await asked(), /It is offered: 2.0.0, a stepping stone on its way to 3.0.0, is on its way/);
  const heard = new Set<string>();
  for (let i = 0; i < 60 && !heard.has("3.0.0"); i++) {
    await fleet.tick();
    await fleet.rollouts.reconcile();
    const because = await asked();
    for (const version of ["2.0.0, a stepping stone", "3.0.0"]) if (because.includes(`: ${version}`)) heard.add(version);
  }
  assert.deepEqual([...heard], ["2.0.0, a stepping stone", "3.0.0"]);
});

test("a stone that bricks halts the rollout like the release would, and nobody else is led over it", async () => {
  await using fleet = await fleetBefore3((version, device) =>
    version === "2.0.0" && device !== "d0" && device !== "d1" ? "bricks" : "good",
  );
  const { id } = await fleet.start({ release: "3.0.0", stages: [{ share: 0.3 }, { share: 1 }], ...quick });
  assert.equal(await fleet.untilEnded(id), "rolled_back");
  const harmed = (await rows(fleet, id)).filter(({ state }) => state === "unresponsive");
  assert.ok(harmed.length >= 1 && harmed.every(({ version }) => version === "2.0.0"));
  assert.ok([...fleet.devices.values()].filter(({ alive }) => alive).every(({ firmware }) => firmware.version !== "3.0.0"));
});

test("a release that is bad is taken back to the stone, and who had only come to the stone stays there", async () => {
  await using fleet = await fleetBefore3((version) => (version === "3.0.0" ? "bricks" : "good"));
  const { id } = await fleet.start({ release: "3.0.0", stages: [{ share: 1 }], atOnce: 4, ...quick });
  assert.equal(await fleet.untilEnded(id), "rolled_back");
  const alive = [...fleet.devices.values()].filter(({ alive }) => alive).map(({ firmware }) => firmware.version);
  assert.ok(alive.length > 0 && alive.every((version) => version === "1.0.0" || version === "2.0.0"), alive.join());
  assert.ok(alive.includes("2.0.0"));
});

test("a stone that was retired leads nobody: the devices before it are left out, and the others are updated", async () => {
  await using fleet = await fleetBefore3();
  await sql`update releases.release set retired_at = now() where version = '2.0.0'`.execute(fleet.db);
  const preview = await previewRollout(fleet.deps, scope, { release: "3.0.0", ...quick });
  assert.deepEqual([preview.targets, preview.detours], [2, []]);
  assert.deepEqual(
    preview.excluded.map(({ code, devices }) => [code, devices]),
    [["below_minimum_version", 10]],
  );
});

test("while the stone's own rollout goes on nobody else is led over it, whatever weighs more; then both come to their end", async () => {
  await using fleet = await fleetBefore3();
  const stone = await fleet.start({ release: "2.0.0", stages: [{ share: 0.3 }, { share: 1 }], ...quick });
  const preview = await previewRollout(fleet.deps, scope, { release: "3.0.0", weight: 300, ...quick });
  assert.deepEqual(preview.detours, [{ over: ["2.0.0"], devices: 10, waitsFor: [stone.id] }]);
  const { id } = await fleet.start({ release: "3.0.0", weight: 300, stages: [{ share: 1 }], ...quick });
  await fleet.rollouts.reconcile();
  const standing = await explainDevice(fleet.deps, scope, { device: "d5", rollout: id });
  assert.equal(standing.code, "stone_not_proven");
  assert.ok(standing.because.includes(stone.id));
  assert.equal(await fleet.untilEnded(stone.id), "completed");
  assert.ok(
    (await rows(fleet, id)).every(({ version }) => version !== "2.0.0"),
    "nobody came to the stone but by its own rollout",
  );
  assert.equal(await fleet.untilEnded(id), "completed");
});

test("a stone that its own rollout took back leads nobody: those before it are skipped with that reason", async () => {
  await using fleet = await fleetBefore3((version) => (version === "2.0.0" ? "falls_back" : "good"));
  const stone = await fleet.start({ release: "2.0.0", stages: [{ share: 0.3 }, { share: 1 }], ...quick });
  const { id } = await fleet.start({ release: "3.0.0", weight: 300, stages: [{ share: 1 }], ...quick });
  assert.equal(await fleet.untilEnded(stone.id), "rolled_back");
  await fleet.untilEnded(id);
  const found = await rows(fleet, id);
  assert.ok(found.every(({ version }) => version === "3.0.0"));
  assert.equal(found.filter(({ state }) => state === "skipped").length, 10);
});

test("a stone that is booted only after a halt counts nobody as updated, and is where the device stays", async () => {
  await using fleet = await fleetBefore3((version, device) => (version === "3.0.0" && device === "d0" ? "bricks" : "good"));
  const { id } = await fleet.start({ release: "3.0.0", stages: [{ share: 1 }], ...quick });
  let taken = 0;
  for (let i = 0; i < 40 && taken === 0; i++) {
    await fleet.rollouts.reconcile();
    // About to reboot: too late to cancel.
    const booting = ({ work }: { work?: { offer: { release: { signed: { version: string } } }; step: number } }) =>
      work?.offer.release.signed.version === "2.0.0" && work.step === 4;
    taken = [...fleet.devices.values()].filter(booting).length;
    if (taken === 0) await fleet.tick();
  }
  assert.ok(taken > 0);
  await rollBackRollout(fleet.deps, who, { id, reason: "recalled" });
  await fleet.untilEnded(id);
  const found = await rows(fleet, id);
  assert.ok([...fleet.devices.values()].every(({ firmware }) => firmware.version !== "3.0.0"));
  const late = found.filter(({ version, state }) => version === "2.0.0" && state === "succeeded");
  assert.ok(late.length > 0, "a stone was booted after the halt");
  for (const { device } of late)
    assert.deepEqual(
      found.filter((row) => row.device === device).map(({ version, state }) => [version, state]),
      [
        ["2.0.0", "succeeded"],
        ["3.0.0", "cancelled"],
      ],
    );
});
