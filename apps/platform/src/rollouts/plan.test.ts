import assert from "node:assert/strict";
import { test } from "node:test";
import { minutes } from "@tenfold/base";
import type { DeploymentReason, DeploymentState, StageProgress } from "@tenfold/contracts";
import fc from "fast-check";
import { placeDevices } from "./membership.ts";
import type { Picture } from "./picture.ts";
import { planRollout, type Step } from "./plan.ts";
import { retryOf } from "./retries.ts";
import { columnOf, emptyTally, isInFlight, type Rollout, type Tally } from "./rollout.ts";

type Fate = { is: "boots" | "fails" | "silent" | "offline" | "falls_back"; after: number };
type Row = {
  id: string;
  device: string;
  stage: number;
  rollback: boolean;
  state: DeploymentState;
  online: boolean;
  offeredAt: number;
  deadlineAt: number;
  verifiedAt?: number;
  undone?: boolean;
};
type World = {
  rollout: Rollout;
  stages: { state: StageProgress["state"]; startedAt?: number }[];
  rows: Row[];
  fates: ReadonlyMap<string, Fate>;
  trail: { now: number; step: Step; inFlight: number }[];
};

const deadlineMs = minutes(10);

function worldOf(fates: readonly Fate[], over: Partial<Rollout>): World {
  const shares = [0.1, 0.4, 1];
  const devices = fates.map((_, i) => `d${i}`);
  const rollout: Rollout = {
    id: "rol_1",
    phase: "running",
    stage: 0,
    haltAbove: 0.05,
    deadlineMs,
    soakMs: minutes(1),
    atOnce: 5,
    onHalt: "roll_back",
    guards: { watch: [], falseHalts: 0.002, least: 3 },
    giveUpAfterMs: minutes(60 * 24 * 14),
    windows: [],
    conditions: { unknown: "wait" },
    retries: { most: 0, backoffMs: minutes(5), on: [] },
    author: "u1",
    planHash: "h",
    approvalsNeeded: 0,
    ...over,
  };
  const rows = placeDevices(
    "rol_1",
    devices.map((device) => ({ device, stratum: "" })),
    { shares },
  ).map(
    ({ device, stage }): Row => ({
      id: device,
      device,
      stage,
      rollback: false,
      state: "queued",
      online: true,
      offeredAt: 0,
      deadlineAt: 0,
    }),
  );
  return {
    rollout,
    stages: shares.map(() => ({ state: "waiting" })),
    rows,
    fates: new Map(fates.map((fate, i) => [`d${i}`, fate])),
    trail: [],
  };
}

function tallyOf(rows: readonly Row[]): Tally {
  const tally = emptyTally();
  for (const { state, verifiedAt } of rows) {
    tally.devices += 1;
    tally[columnOf(state)] += 1;
    if (verifiedAt !== undefined) tally.lastVerifiedAt = Math.max(tally.lastVerifiedAt ?? 0, verifiedAt);
  }
  return tally;
}

function pictureOf({ rollout, stages, rows, fates }: World, now: number): Picture {
  const updates = rows.filter(({ rollback }) => !rollback);
  const waiting = rows.filter(
    ({ state, rollback, stage }) =>
      state === "queued" && (rollout.phase === "rolling_back" ? rollback : !rollback && stage === rollout.stage),
  );
  return {
    stages: stages.map((stage, index) => ({ ...tallyOf(updates.filter((row) => row.stage === index)), ...stage, index })),
    restores: tallyOf(rows.filter(({ rollback }) => rollback)),
    overdue: rows
      .filter(({ state, deadlineAt }) => isInFlight(state) && deadlineAt <= now)
      .map(({ id, ...row }) => ({ ...row, deployment: id, onlineAtOffer: row.online, attempt: 1, held: false })),
    waiting: waiting.map(({ id, device }) => ({ deployment: id, device, online: fates.get(device)?.is !== "offline" })),
    unrestored: updates
      .filter(({ state, undone }) => rollout.phase === "rolling_back" && state === "succeeded" && !undone)
      .map(({ id, device }) => ({ deployment: id, device, attempt: 1, previous: { release: "rel_0", version: "1", sha256: "" } })),
  };
}

const inFlightOf = ({ rows }: World) => rows.filter(({ state }) => isInFlight(state)).length;

function applyToDevice(world: World, step: Extract<Step, { do: "offer" | "skip" | "expire" }>, now: number): void {
  const row = world.rows.find(({ id }) => id === step.deployment);
  assert.ok(row);
  if (step.do === "offer")
    Object.assign(row, { state: "offered", offeredAt: now, deadlineAt: step.deadlineAt, online: step.online });
  else row.state = step.do === "skip" ? "skipped" : step.to;
}

function addRestore({ rows }: World, { undoes, device }: Extract<Step, { do: "plan_restore" }>): void {
  const undone = rows.find(({ id }) => id === undoes);
  assert.ok(undone);
  undone.undone = true;
  rows.push({ ...undone, id: `${undoes}-back`, device, rollback: true, state: "queued" });
}

function cancelQueued({ rows }: World): void {
  for (const row of rows) if (row.state === "queued") row.state = "cancelled";
}

function applyStep(world: World, step: Step, now: number): void {
  const { rollout } = world;
  switch (step.do) {
    case "offer":
    case "skip":
    case "expire":
      applyToDevice(world, step, now);
      break;
    case "begin_stage":
      rollout.stage = step.stage;
      world.stages[step.stage] = { state: "running", startedAt: now };
      break;
    case "soak":
    case "pass_stage":
      world.stages[step.stage] = { ...world.stages[step.stage], state: step.do === "soak" ? "soaking" : "passed" };
      break;
    case "step_aside":
    case "approve":
      break;
    case "pause":
      // The operator lets it go on.
      rollout.waivedStage = rollout.stage;
      break;
    case "halt":
      rollout.phase = step.onHalt === "roll_back" ? "rolling_back" : "halted";
      cancelQueued(world);
      break;
    case "plan_restore":
      addRestore(world, step);
      break;
    case "cannot_restore":
    case "hold":
    case "let_install":
    case "await_window":
    case "recall_install":
      break;
    case "stop_restoring":
      rollout.phase = "halted";
      cancelQueued(world);
      break;
    case "finish":
      rollout.phase = step.as;
      break;
  }
  world.trail.push({ now, step, inFlight: inFlightOf(world) });
}

/** Devices do what is their fate; every way back works. */
function live({ rows, fates }: World, now: number): void {
  for (const row of rows) {
    const fate = fates.get(row.device);
    if (!isInFlight(row.state) || fate === undefined || now < row.offeredAt + fate.after) continue;
    if (row.rollback || fate.is === "boots") Object.assign(row, { state: "succeeded", verifiedAt: now });
    else if (fate.is === "fails") row.state = "failed";
    else if (fate.is === "falls_back") row.state = "rolled_back";
    else if (fate.is === "silent") row.state = "rebooting";
  }
}

function play(world: World): number {
  let now = 0;
  let ended = false;
  for (let tick = 0; tick < 3_000 && !ended; tick++, now += 15_000) {
    live(world, now);
    for (const step of planRollout(world.rollout, pictureOf(world, now), now)) {
      applyStep(world, step, now);
      ended ||= step.do === "finish";
    }
  }
  assert.ok(ended, `still ${world.rollout.phase} after ${now / 60_000} min`);
  return now;
}

const fate = (is: Fate["is"], after = 30_000): Fate => ({ is, after });
const anyFate = fc.record({
  is: fc.constantFrom<Fate["is"]>("boots", "boots", "boots", "boots", "fails", "silent", "offline", "falls_back"),
  after: fc.integer({ min: 0, max: 700_000 }),
});
const anyWorld = fc
  .tuple(
    fc.array(anyFate, { minLength: 1, maxLength: 60 }),
    fc.integer({ min: 1, max: 20 }),
    fc.constantFrom(0, 0.05, 0.3, 1),
    fc.constantFrom<Rollout["onHalt"]>("roll_back", "stop"),
  )
  .map(([fates, atOnce, haltAbove, onHalt]) => worldOf(fates, { atOnce, haltAbove, onHalt }));

test("whatever devices do, every rollout ends, and every device with it", () => {
  fc.assert(
    fc.property(anyWorld, (world) => {
      play(world);
      for (const row of world.rows) assert.ok(!isInFlight(row.state) && row.state !== "queued", `${row.id} is ${row.state}`);
    }),
    { numRuns: 150 },
  );
});

test("never more devices at once than the plan allows", () => {
  fc.assert(
    fc.property(anyWorld, (world) => {
      play(world);
      for (const { inFlight } of world.trail) assert.ok(inFlight <= world.rollout.atOnce);
    }),
    { numRuns: 100 },
  );
});

test("no update is offered after a halt, and none of a stage before the stage below has passed", () => {
  fc.assert(
    fc.property(anyWorld, (world) => {
      play(world);
      const halted = world.trail.findIndex(({ step }) => step.do === "halt");
      world.trail.forEach(({ step }, i) => {
        const row = step.do === "offer" ? world.rows.find(({ id }) => id === step.deployment) : undefined;
        if (row === undefined) return;
        if (halted >= 0 && i > halted) assert.ok(row.rollback);
        if (row.rollback || row.stage === 0) return;
        const passedBefore = world.trail
          .slice(0, i)
          .some((earlier) => earlier.step.do === "pass_stage" && earlier.step.stage === row.stage - 1);
        assert.ok(passedBefore, `${row.id} of stage ${row.stage}`);
      });
    }),
    { numRuns: 150 },
  );
});

test("a healthy rollout passes every stage, and no stage before its soak", () => {
  const world = worldOf(
    Array.from({ length: 30 }, () => fate("boots")),
    { soakMs: minutes(3) },
  );
  play(world);
  assert.equal(world.rollout.phase, "completed");
  for (const { now, step } of world.trail) {
    if (step.do !== "pass_stage") continue;
    const lastVerified = Math.max(
      ...world.rows.filter(({ stage }) => stage === step.stage).map(({ verifiedAt }) => verifiedAt ?? 0),
    );
    assert.ok(now >= lastVerified + minutes(3));
  }
});

test("a release that silences devices harms no more than its canary, and who took it is brought back", () => {
  const world = worldOf(
    Array.from({ length: 50 }, (_, i) => fate(i % 2 ? "silent" : "boots")),
    {},
  );
  play(world);
  assert.equal(world.rollout.phase, "rolled_back");
  const harmed = world.rows.filter(({ state }) => state === "unresponsive");
  assert.ok(harmed.length > 0 && harmed.every(({ stage }) => stage === 0));
  const [took, back] = [
    world.rows.filter(({ rollback, state }) => !rollback && state === "succeeded"),
    world.rows.filter(({ rollback, state }) => rollback && state === "succeeded"),
  ];
  assert.deepEqual(back.map(({ device }) => device).toSorted(), took.map(({ device }) => device).toSorted());
});

test("devices that were offline when it was offered are skipped and harm nobody's verdict", () => {
  const world = worldOf(
    Array.from({ length: 20 }, (_, i) => fate(i % 3 ? "boots" : "offline")),
    {},
  );
  play(world);
  assert.equal(world.rollout.phase, "completed");
  assert.equal(world.rows.filter(({ state }) => state === "skipped").length, 7);
});

test("a canary of devices that are all offline proves nothing: the rollout pauses and asks", () => {
  const world = worldOf([fate("offline")], {});
  const rollout = { ...world.rollout, stage: 0 };
  const row = { ...emptyTally(), devices: 1, skipped: 1, index: 0, state: "running" as const };
  const next = { ...emptyTally(), devices: 9, queued: 9, index: 1, state: "waiting" as const };
  const picture: Picture = { stages: [row, next], restores: emptyTally(), overdue: [], waiting: [], unrestored: [] };
  assert.deepEqual(
    planRollout(rollout, picture, 0).map((step) => step.do),
    ["pause"],
  );
  assert.deepEqual(
    planRollout({ ...rollout, waivedStage: 0 }, picture, 0).map((step) => step.do),
    ["pass_stage", "begin_stage"],
  );
});

test("where passing over a device makes the harmed too large a share of the rest, nothing is offered in the same look", () => {
  const world = worldOf([fate("boots")], {});
  const rollout = { ...world.rollout, stage: 0, haltAbove: 0.1 };
  const row = { ...emptyTally(), devices: 10, queued: 2, succeeded: 7, harmed: 1, index: 0, state: "running" as const };
  const line = [
    { deployment: "a", device: "a", online: true, pointless: { reason: "superseded" as const, detail: "" } },
    { deployment: "b", device: "b", online: true },
  ];
  const picture: Picture = { stages: [row], restores: emptyTally(), overdue: [], waiting: line, unrestored: [] };
  const steps = (haltAbove: number) => planRollout({ ...rollout, haltAbove }, picture, 0).map((step) => step.do);
  assert.deepEqual(steps(0.1), ["skip"]);
  assert.deepEqual(steps(0.2), ["skip", "offer"]);
});

test("a release that was retired meanwhile is offered to nobody more", () => {
  const world = worldOf([fate("boots")], {});
  const picture = { ...pictureOf(world, 0), releaseUnusable: "Release pump 2.0.0 is retired." };
  assert.deepEqual(planRollout(world.rollout, picture, 0), [{ do: "pause", because: "Release pump 2.0.0 is retired." }]);
});

test("the same picture always gives the same steps", () => {
  const world = worldOf(
    Array.from({ length: 12 }, () => fate("boots")),
    {},
  );
  assert.deepEqual(planRollout(world.rollout, pictureOf(world, 5), 5), planRollout(world.rollout, pictureOf(world, 5), 5));
});

test("a device that is heard and not done with a step in time has failed in that step; one that is silent is lost", () => {
  const world = worldOf([{ is: "boots", after: 0 }], { timeouts: { download: minutes(2) } });
  const overdue = (state: DeploymentState, over: { heard?: boolean; rollback?: boolean } = {}) => {
    const one = {
      deployment: "d0",
      device: "d0",
      stage: 0,
      rollback: false,
      onlineAtOffer: true,
      attempt: 1,
      offeredAt: 0,
      held: false,
    };
    const picture = { ...pictureOf(world, minutes(3)), overdue: [{ ...one, state, ...over }] };
    const [step] = planRollout(world.rollout, picture, minutes(3));
    return step?.do === "expire" ? `${step.to} ${step.reason}` : step?.do;
  };
  assert.equal(overdue("downloading", { heard: true }), "failed download_timed_out");
  assert.equal(overdue("verified", { heard: true }), "failed install_timed_out");
  assert.equal(overdue("installing", { heard: true }), "failed install_timed_out");
  assert.equal(overdue("validating", { heard: true }), "failed boot_timed_out");
  assert.equal(overdue("downloading"), "unresponsive silent_during_update");
  assert.equal(overdue("rebooting"), "unresponsive silent_after_reboot");
  assert.equal(overdue("offered", { heard: true }), "unresponsive silent_after_offer");
  assert.equal(overdue("installing", { heard: true, rollback: true }), "unresponsive silent_during_update");
});

test("the first step of an offer has its own time, and never more than the whole", () => {
  const offered = (timeouts: Rollout["timeouts"]) => {
    const world = worldOf([{ is: "boots", after: 0 }], timeouts ? { timeouts } : {});
    const stages = [{ state: "running" as const, startedAt: 0 }, ...world.stages.slice(1)];
    const [step] = planRollout(
      world.rollout,
      pictureOf({ ...world, stages, rows: world.rows.map((row) => ({ ...row, stage: 0 })) }, 0),
      0,
    );
    return step?.do === "offer" ? { deadlineAt: step.deadlineAt, finalAt: step.finalAt } : undefined;
  };
  assert.deepEqual(offered(undefined), { deadlineAt: deadlineMs, finalAt: undefined });
  assert.deepEqual(offered({ download: minutes(2) }), { deadlineAt: minutes(2), finalAt: deadlineMs });
  assert.deepEqual(offered({ download: minutes(60) }), { deadlineAt: deadlineMs, finalAt: undefined });
  assert.deepEqual(offered({ boot: minutes(2) }), { deadlineAt: deadlineMs, finalAt: undefined });
});

test("what timed out is tried again by its class: a download and an installation, never a boot", () => {
  const rule = { most: 1, backoffMs: minutes(1), on: ["network", "install"] as const };
  const again = (reason: DeploymentReason) =>
    retryOf({ device: "d", attempt: 1, rollback: false, state: "failed", reason }, rule, 0)?.attempt;
  assert.deepEqual(
    ["download_timed_out", "install_timed_out", "boot_timed_out"].map((reason) => again(reason as DeploymentReason)),
    [2, 2, undefined],
  );
});
