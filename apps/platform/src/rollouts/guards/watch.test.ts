import assert from "node:assert/strict";
import { test } from "node:test";
import { minutes } from "@tenfold/base";
import { sql } from "kysely";
import { decisionsOf } from "../decisions.shell.ts";
import { replayRollout } from "../replay.shell.ts";
import { epoch, pretendFleet, scope } from "../testing.ts";
import { comparisonsOf } from "./store.ts";

const plan = {
  stages: [{ share: 0.1 }, { share: 0.4 }, { share: 1 }],
  deadline: "PT10M",
  soak: "PT12M",
  guards: { settle: "PT2M", watch: ["memory" as const, "crashes" as const] },
};

/** Every device wanders by itself; a leaking version takes 30 % more an hour. */
const leaksIn = (bad: string) => (version: string, device: string, hours: number) =>
  100e6 + 0.5e6 * Math.sin(hours * 40 + device.length * 7 + Number(device.slice(1))) + (version === bad ? 30e6 * hours : 0);

test("a leak that only the new version has halts the rollout in its canary, with what was compared; nobody failed", async () => {
  await using fleet = await pretendFleet({ devices: 60, memory: leaksIn("2.0.0"), site: () => "berlin" });
  await fleet.release("1.0.0");
  await fleet.tick();
  await fleet.release("2.0.0");
  const { id } = await fleet.start({ release: "2.0.0", ...plan });
  assert.equal(await fleet.untilEnded(id), "rolled_back");
  const halted = (await decisionsOf(fleet.db, scope, id)).find(({ decision }) => decision === "halted") ?? assert.fail();
  assert.match(halted.because, /take up memory faster \(\+\d+(\.\d+)? % an hour in the middle, beside /);
  assert.equal(halted.stage, 0);
  const rows = (await fleet.rowsOf(id)).filter(({ rollback }) => !rollback);
  assert.equal(rows.filter(({ state }) => state === "succeeded").length, 6);
  assert.ok([...fleet.devices.values()].every(({ firmware }) => firmware.version === "1.0.0"));

  // Nobody was compared twice, and every control ran the old release.
  const { rows: watched } = await sql<{ device: string; exposed: boolean }>`
    select device, exposed from rollouts.watched_device where rollout = ${id}`.execute(fleet.db);
  assert.equal(new Set(watched.map(({ device }) => device)).size, watched.length);
  assert.equal(watched.filter(({ exposed }) => exposed).length, 6);
  assert.ok((await comparisonsOf(fleet.db, scope, id)).some(({ guard }) => guard === "memory"));
});

test("a healthy release that wanders like the old one passes every stage, and everything that was decided can be decided again", async () => {
  await using fleet = await pretendFleet({ devices: 20, memory: leaksIn("none"), site: () => "berlin" });
  await fleet.release("1.0.0");
  await fleet.tick();
  await fleet.release("2.0.0");
  const { id } = await fleet.start({ release: "2.0.0", ...plan, stages: [{ share: 0.3 }, { share: 1 }], soak: "PT5M" });
  assert.equal(await fleet.untilEnded(id, { most: 800 }), "completed");
  const replay = await replayRollout(fleet, scope, id);
  assert.deepEqual([replay.different, replay.comparisons.different], [0, 0]);
  assert.ok(replay.equal > 5 && replay.comparisons.equal > 10, JSON.stringify(replay.comparisons));
  assert.deepEqual(
    replay.byPeople.map(({ decision }) => decision),
    ["started"],
  );
  const said = new Set(replay.verdicts.flatMap(({ decisions }) => decisions.map(({ decision }) => decision)));
  for (const decision of ["stage_begun", "offered", "soak_begun", "stage_passed", "finished"])
    assert.ok(said.has(decision), decision);

  // Who changes what was seen is found out.
  await sql`alter table rollouts.pass disable trigger pass_is_append_only`.execute(fleet.db);
  await sql`update rollouts.pass set saw = jsonb_set(saw, '{picture,stages,0,harmed}', '4') where rollout = ${id} and steps @> '[{"do":"pass_stage","stage":0}]'`.execute(
    fleet.db,
  );
  const found = await replayRollout(fleet, scope, id);
  assert.equal(found.different, 1);
  assert.match(
    found.verdicts.find(({ verdict }) => verdict === "different")?.difference ?? "",
    /was .*pass_stage.* and is now .*halt/,
  );
});

test("an outage of a whole site halts no healthy rollout: deadlines there are put off while those that were never offered it are silent too", async () => {
  const [begins, ends] = [epoch + minutes(2), epoch + minutes(16)];
  await using fleet = await pretendFleet({
    devices: 30,
    site: (device) => (Number(device.slice(1)) % 2 === 0 ? "berlin" : "rome"),
    dark: (site, now) => site === "berlin" && now >= begins && now < ends,
  });
  await fleet.release("1.0.0");
  await fleet.tick();
  await fleet.release("2.0.0");
  const { id } = await fleet.start({
    release: "2.0.0",
    ...plan,
    deadline: "PT5M",
    soak: "PT1M",
    stages: [{ share: 0.5 }, { share: 1 }],
    atOnce: 4,
  });
  assert.equal(await fleet.untilEnded(id, { most: 900 }), "completed");
  const decisions = await decisionsOf(fleet.db, scope, id);
  const putOff = decisions.filter(({ decision }) => decision === "deadline_put_off");
  assert.ok(putOff.length > 0);
  assert.ok((await fleet.rowsOf(id)).every(({ state }) => state === "succeeded"));
  assert.equal((await replayRollout(fleet, scope, id)).different, 0);
});

test("bricks are not mistaken for an outage: while others speak, silence counts", async () => {
  await using fleet = await pretendFleet({
    devices: 40,
    site: () => "berlin",
    effects: (version) => (version === "2.0.0" ? "bricks" : "good"),
  });
  await fleet.release("1.0.0");
  await fleet.tick();
  await fleet.release("2.0.0");
  const { id } = await fleet.start({
    release: "2.0.0",
    ...plan,
    deadline: "PT5M",
    soak: "PT1M",
    stages: [{ share: 0.2 }, { share: 1 }],
  });
  assert.equal(await fleet.untilEnded(id), "rolled_back");
  const decisions = (await decisionsOf(fleet.db, scope, id)).map(({ decision }) => decision);
  assert.ok(decisions.includes("halted") && !decisions.includes("deadline_put_off"));
});
