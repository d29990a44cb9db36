/** What binds rollouts from outside, through the front door and over PostgreSQL. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hours, minutes } from "@tenfold/base";
import { type Fleet, servedFleet, struck } from "./testing.ts";

const quick = { deadline: "PT5M", soak: "PT10S", stages: [{ share: 1 }] };
const iso = (at: number) => new Date(at).toISOString();
const as = (who: string) => ({ headers: { authorization: who } });

async function live(fleet: Fleet, ticks: number): Promise<void> {
  for (let i = 0; i < ticks; i++) {
    await fleet.rollouts.reconcile();
    await fleet.tick();
  }
  await fleet.rollouts.reconcile();
}
const statesOf = async (fleet: Fleet, id: string) => Object.groupBy(await fleet.rowsOf(id), ({ state }) => state);

test("two people approve the plan as they saw it, its author never, nobody twice; only then is anything offered", async () => {
  await using w = await servedFleet({ devices: 3 });
  await w.fleet.release("2.0.0");
  const { body: started } = await w.call("POST", "/rollouts", { body: { release: "2.0.0", ...quick, approvals: 2 } });
  assert.equal(started.phase, "awaiting_approval");
  const approve = (who: string, planHash: string) =>
    w.call("POST", `/rollouts/${started.id}/approve`, { body: { planHash }, ...as(who) });
  const byAuthor = await approve("ann:admin", started.planHash);
  assert.deepEqual([byAuthor.status, byAuthor.body.code], [403, "approval_by_author"]);
  const other = await approve("ben:security", "0".repeat(64));
  assert.deepEqual([other.status, other.body.code], [409, "approval_of_other_plan"]);
  assert.equal((await approve("ben:operator", started.planHash)).status, 403);
  for (let i = 0; i < 2; i++) assert.equal((await approve("ben:security", started.planHash)).status, 200);
  await live(w.fleet, 3);
  assert.deepEqual(Object.keys(await statesOf(w.fleet, started.id)), ["queued"]);
  assert.equal((await w.call("GET", "/devices/d0/update-status")).body.code, "awaiting_approval");
  await approve("cyd:release_manager", started.planHash);
  assert.equal(await w.fleet.untilEnded(started.id), "completed");
  const late = await approve("dan:security", started.planHash);
  assert.deepEqual([late.status, late.body.code], [409, "rollout_phase_conflict"]);
});

test("a freeze offers nothing until it ends, is taken out, or is overridden for one rollout; devices on their way go on", async () => {
  await using w = await servedFleet({ devices: 4 });
  const { fleet } = w;
  await fleet.release("2.0.0");
  const now = fleet.clock.time;
  const backwards = await w.call("POST", "/freezes", { body: { from: iso(now), to: iso(now), reason: "harvest" } });
  assert.deepEqual([backwards.status, backwards.body.code, backwards.body.field], [422, "freeze_invalid", "to"]);
  const { body: first } = await w.call("POST", "/rollouts", { body: { release: "2.0.0", ...quick, atOnce: 1 } });
  await fleet.rollouts.reconcile();
  const frozen = await w.call("POST", "/freezes", { body: { from: iso(now), to: iso(now + hours(2)), reason: "harvest" } });
  assert.equal(frozen.status, 201);
  await live(fleet, 12);
  const { succeeded = [], queued = [] } = await statesOf(fleet, first.id);
  assert.deepEqual([succeeded.length, queued.length], [1, 3]);
  const waiting = (await w.call("GET", `/devices/${queued[0]?.device}/update-status`)).body;
  assert.deepEqual([waiting.code, waiting.rollouts[0].until], ["frozen", iso(now + hours(2))]);
  const override = await w.call("POST", `/rollouts/${first.id}/override-freeze`, { body: { reason: "pumps overheat" } });
  assert.equal(override.body.freezeOverride, "ann: pumps overheat");
  assert.equal(await fleet.untilEnded(first.id), "completed");
  const removed = await w.call("DELETE", `/freezes/${frozen.body.id}`);
  assert.ok(removed.body.removedAt);
  const again = await w.call("DELETE", `/freezes/${frozen.body.id}`);
  assert.deepEqual(
    [again.status, again.body.removedAt],
    [200, removed.body.removedAt],
    "taking it out twice is taking it out once",
  );
  const none = await w.call("DELETE", "/freezes/frz_none");
  assert.deepEqual([none.status, none.body.code], [404, "freeze_unknown"]);
});

test("a pin holds a device that was already chosen, until it is lifted; an exclusion leaves devices out, and the preview says so", async () => {
  await using w = await servedFleet({ devices: 3 });
  const { fleet } = w;
  await fleet.release("2.0.0");
  const { body: rollout } = await w.call("POST", "/rollouts", { body: { release: "2.0.0", ...quick } });
  const pin = await w.call("POST", "/update-pins", { body: { filter: "id:d1", version: "1.0.0", reason: "demo" } });
  assert.equal(pin.status, 201);
  await live(fleet, 12);
  const { queued = [] } = await statesOf(fleet, rollout.id);
  assert.deepEqual(
    queued.map(({ device }) => device),
    ["d1"],
  );
  assert.equal((await w.call("GET", "/devices/d1/update-status")).body.code, "pinned");
  assert.ok((await w.call("DELETE", `/update-pins/${pin.body.id}`)).body.liftedAt);
  assert.equal(await fleet.untilEnded(rollout.id), "completed");
  const none = await w.call("DELETE", "/update-pins/pin_none");
  assert.deepEqual([none.status, none.body.code], [404, "update_pin_unknown"]);

  await w.call("POST", "/update-pins", {
    body: { filter: "id:d2", reason: "museum", expiresAt: iso(fleet.clock.time + hours(1)) },
  });
  await fleet.release("3.0.0");
  const preview = (await w.call("POST", "/rollout-previews", { body: { release: "3.0.0", ...quick } })).body;
  assert.equal(preview.targets, 2);
  assert.equal(preview.excluded.find(({ code }: { code: string }) => code === "excluded")?.devices, 1);
  const past = await w.call("POST", "/update-pins", {
    body: { filter: "id:d2", reason: "x", expiresAt: iso(fleet.clock.time - 1) },
  });
  assert.deepEqual([past.status, past.body.code], [422, "update_pin_invalid"]);
  assert.equal((await w.call("POST", "/update-pins", { body: { filter: "nonsense(", reason: "x" } })).status, 422);
});

test("devices that come to match join the stage that still makes offers, or the next, once; with `leave` nobody joins", async () => {
  await using w = await servedFleet({ devices: 4 });
  const { fleet } = w;
  await fleet.release("2.0.0");
  const plan = { release: "2.0.0", filter: "tag:line=a", ...quick, soak: "PT2M", stages: [{ share: 0.5 }, { share: 1 }] };
  await fleet.add(["a1", "a2", "a3", "a4"], { line: "a" });
  await fleet.tick();
  const { body: joins } = await w.call("POST", "/rollouts", { body: { ...plan, lateJoiners: "join" } });
  await live(fleet, 8);
  await fleet.add(["a5", "a6"], { line: "a" });
  assert.equal((await w.call("GET", "/devices/a5/update-status")).body.code, "joins_next");
  await live(fleet, 10);
  const joined = (await fleet.rowsOf(joins.id)).filter(({ device }) => device === "a5" || device === "a6");
  assert.deepEqual(
    joined.map(({ stage }) => stage),
    [1, 1],
  );
  assert.equal(await fleet.untilEnded(joins.id), "completed");
  assert.equal((await w.call("GET", `/rollouts/${joins.id}`)).body.targets, 6);
  const { body: report } = await w.call("GET", `/rollouts/${joins.id}/report`);
  assert.ok(report.decisions.some(({ decision }: { decision: string }) => decision === "joined"));

  await fleet.release("3.0.0");
  const { body: leaves } = await w.call("POST", "/rollouts", { body: { ...plan, release: "3.0.0", ...quick } });
  await fleet.add(["a7"], { line: "a" });
  assert.equal(await fleet.untilEnded(leaves.id), "completed");
  assert.equal(
    (await fleet.rowsOf(leaves.id)).some(({ device }) => device === "a7"),
    false,
  );
});

test("two rollouts share the fleet's places by weight, and the lighter gets what the heavier leaves", async () => {
  await using w = await servedFleet({ devices: 0 });
  const { fleet } = w;
  await fleet.add(["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"], { line: "a" });
  await fleet.add(["b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8"], { line: "b" });
  await fleet.tick();
  await fleet.release("2.0.0");
  assert.equal((await w.call("PUT", "/rollout-policy", { body: { atOnce: 4 } })).status, 200);
  const start = async (line: string, weight: number) =>
    (await w.call("POST", "/rollouts", { body: { release: "2.0.0", filter: `tag:line=${line}`, ...quick, weight } })).body.id;
  const [heavy, light] = [await start("a", 300), await start("b", 100)];
  const flying = async (id: string) =>
    (await fleet.rowsOf(id)).filter(({ state }) => !["queued", "succeeded"].includes(state)).length;
  await fleet.rollouts.reconcile();
  assert.deepEqual([await flying(heavy), await flying(light)], [3, 1]);
  let most = 0;
  for (let i = 0; i < 24; i++) {
    await live(fleet, 1);
    most = Math.max(most, (await flying(heavy)) + (await flying(light)));
  }
  assert.equal(most, 4);
  assert.deepEqual([await fleet.untilEnded(heavy), await fleet.untilEnded(light)], ["completed", "completed"]);
});

test("a failure of the network is tried again after its wait, as often as the plan says; each try is a deployment, the last one counts", async () => {
  const tries = new Map<string, number>();
  await using w = await servedFleet({
    devices: 10,
    effects: (version, device) => {
      if (version !== "2.0.0" || !struck(device, 0.3)) return "good";
      // Counted when the download is tried: the device asks once for each step.
      const asked = (tries.get(device) ?? 0) + 1;
      tries.set(device, asked);
      return asked <= 3 ? "no_download" : "good";
    },
  });
  const { fleet } = w;
  await fleet.release("2.0.0");
  const plan = { release: "2.0.0", ...quick, retries: { most: 2, backoff: "PT2M", on: ["network"] } };
  const { body: rollout } = await w.call("POST", "/rollouts", { body: plan });
  await live(fleet, 6);
  const [waits] = (await statesOf(fleet, rollout.id)).queued ?? [];
  assert.ok(waits, "somebody waits for another try");
  const status = (await w.call("GET", `/devices/${waits.device}/update-status`)).body;
  assert.equal(status.code, "backing_off");
  assert.ok(Date.parse(status.rollouts[0].until) > fleet.clock.time);
  assert.equal(await fleet.untilEnded(rollout.id), "completed");
  const of = (await fleet.rowsOf(rollout.id)).filter(({ device }) => device === waits.device);
  assert.deepEqual(
    of.map(({ state, reason }) => [state, reason]),
    [
      ["failed", "download_network"],
      ["succeeded", null],
    ],
  );
  const { body } = await w.call("GET", `/rollouts/${rollout.id}`);
  assert.deepEqual([body.targets, body.harmed, body.counts.succeeded], [10, 0, 10]);
});

test("a window at night of each device's own zone opens by the wall clock, on the night on which the clock skips an hour too", async () => {
  await using w = await servedFleet({ devices: 0 });
  const { fleet } = w;
  // 2027-03-28: Berlin's clocks go from 02:00 to 03:00 at 01:00 UTC.
  fleet.clock.time = Date.parse("2027-03-28T00:20:00Z");
  await fleet.add(["berlin"], { tz: "Europe/Berlin" });
  await fleet.add(["utc"], { tz: "UTC" });
  await fleet.tick();
  await fleet.release("2.0.0");
  const plan = { release: "2.0.0", ...quick, windows: [{ from: "03:00", to: "05:00", zone: "tag:tz" }] };
  const { body: rollout } = await w.call("POST", "/rollouts", { body: plan });
  await live(fleet, 1);
  const until = async (device: string) => {
    const { code, rollouts } = (await w.call("GET", `/devices/${device}/update-status`)).body;
    return [code, rollouts[0].until];
  };
  assert.deepEqual(await until("berlin"), ["outside_window", "2027-03-28T01:00:00.000Z"]);
  assert.deepEqual(await until("utc"), ["outside_window", "2027-03-28T03:00:00.000Z"]);
  const offered = async () =>
    (await fleet.rowsOf(rollout.id)).filter(({ state }) => state !== "queued" && state !== "cancelled").map(({ device }) => device);
  fleet.clock.time = Date.parse("2027-03-28T00:59:40Z");
  await live(fleet, 1);
  assert.deepEqual(await offered(), []);
  await live(fleet, 3);
  assert.deepEqual(await offered(), ["berlin"]);
  await live(fleet, 12);
  assert.equal((await fleet.rowsOf(rollout.id)).find(({ device }) => device === "berlin")?.state, "succeeded");
  fleet.clock.time = Date.parse("2027-03-28T03:00:10Z");
  await live(fleet, 8);
  assert.deepEqual((await offered()).toSorted(), ["berlin", "utc"]);
});

test("stored plans are checked when they are saved, shown beside the built-in ones, and who may only look changes nothing", async () => {
  await using w = await servedFleet({ devices: 1 });
  const plan = { stages: [{ share: 0.5 }, { share: 1 }], soak: "PT1H" };
  assert.equal((await w.call("PUT", "/rollout-plans/night", { body: { note: "by night", plan } })).status, 200);
  const { items } = (await w.call("GET", "/rollout-plans")).body;
  assert.ok(items.some(({ name }: { name: string }) => name === "night"));
  assert.ok(items.some(({ name, builtIn }: { name: string; builtIn: boolean }) => name === "canary" && builtIn));
  const unclear = await w.call("PUT", "/rollout-plans/bad", {
    body: { note: "", plan: { stages: [{ share: 1 }, { share: 0.5 }] } },
  });
  assert.deepEqual([unclear.status, unclear.body.code], [422, "rollout_stages_invalid"]);
  const zone = await w.call("PUT", "/rollout-policy", {
    body: { windows: [{ from: "01:00", to: "02:00", zone: "Europe/Nowhere" }] },
  });
  assert.deepEqual([zone.status, zone.body.code], [422, "rollout_window_invalid"]);
  const builtIn = await w.call("DELETE", "/rollout-plans/canary");
  assert.deepEqual([builtIn.status, builtIn.body.code], [404, "rollout_plan_unknown"]);
  assert.equal((await w.call("DELETE", "/rollout-plans/night")).status, 200);
  const at = minutes(1) + w.fleet.clock.time;
  const refused = [
    await w.call("PUT", "/rollout-policy", { body: { atOnce: 1 }, ...as("viewer") }),
    await w.call("POST", "/freezes", { body: { from: iso(at), to: iso(at + 1), reason: "x" }, ...as("viewer") }),
    await w.call("POST", "/update-pins", { body: { filter: "id:d0", reason: "x" }, ...as("viewer") }),
    await w.call("DELETE", "/rollout-plans/night", as("viewer")),
  ];
  assert.deepEqual(
    refused.map(({ status }) => status),
    [403, 403, 403, 403],
  );
  const nobody = await w.call("GET", "/devices/d99/update-status");
  assert.deepEqual([nobody.status, nobody.body.code], [404, "rollout_device_unknown"]);
});
