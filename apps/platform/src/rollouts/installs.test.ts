import assert from "node:assert/strict";
import { test } from "node:test";
import { days, minutes } from "@tenfold/base";
import { judgeConditions, networkOnly, powerOnly } from "./conditions.ts";
import { installs } from "./installs.ts";
import type { Ahead, Overdue, Picture } from "./picture.ts";
import { planRollout } from "./plan.ts";
import { emptyTally, type Rollout } from "./rollout.ts";

const now = Date.UTC(2026, 5, 1, 12);

const rollout: Rollout = {
  ...{
    id: "rol_1",
    phase: "running",
    stage: 0,
    haltAbove: 0.5,
    deadlineMs: minutes(10),
    soakMs: 0,
    atOnce: 2,
    onHalt: "roll_back",
  },
  ...{ guards: { watch: [], falseHalts: 0.002, least: 3 }, giveUpAfterMs: days(1), windows: [], conditions: { unknown: "wait" } },
  ...{ retries: { most: 0, backoffMs: minutes(5), on: [] }, author: "ann", planHash: "h", approvalsNeeded: 0 },
  ...{ ahead: true, timeouts: { install: minutes(3) } },
};

const ready = (over: Partial<Ahead> = {}): Ahead => ({
  ...{ deployment: "dep_1", device: "d1", state: "verified", offeredAt: now - minutes(60), deadlineAt: now + days(1) },
  ...{ awaits: true, online: true },
  ...over,
});

function pictureOf(ahead: readonly Ahead[], over: Partial<Picture> = {}): Picture {
  const awaiting = ahead.filter(({ awaits }) => awaits).length;
  return {
    stages: [{ ...emptyTally(), index: 0, state: "running", devices: ahead.length, inFlight: ahead.length }],
    ...{ restores: emptyTally(), overdue: [], waiting: [], unrestored: [], ahead, awaiting },
    ...over,
  };
}

const told = (ahead: readonly Ahead[], over: { picture?: Partial<Picture>; rollout?: Partial<Rollout> } = {}) =>
  installs({ ...rollout, ...over.rollout }, pictureOf(ahead, over.picture), now);

test("whoever has the release ready and nothing against it is let install, with the time of an installation and the end of its window", () => {
  assert.deepEqual(told([ready({ closesAt: now + minutes(30) })]), [
    {
      ...{ do: "let_install", deployment: "dep_1", device: "d1", deadlineAt: now + minutes(3) },
      ...{ finalAt: now + minutes(10), until: now + minutes(30) },
    },
  ]);
});

test("as many are let install as there are places, which those who wait do not take; who still downloads has one already", () => {
  const many = ["a", "b", "c", "d"].map((id) => ready({ deployment: id, device: id }));
  assert.deepEqual(
    told(many).map(({ deployment }) => deployment),
    ["a", "b"],
  );
  const downloads = ready({ deployment: "e", state: "downloading", awaits: false, deadlineAt: now + minutes(1) });
  const steps = told([...many, downloads]);
  assert.deepEqual(
    steps.map(({ deployment }) => deployment),
    ["a", "e"],
  );
  assert.equal(steps[1]?.do === "let_install" && steps[1].deadlineAt, now + minutes(1), "its download has the time that it had");
});

test("a pace counts for installations as it does for offers", () => {
  const many = ["a", "b"].map((id) => ready({ deployment: id, device: id }));
  const recentOffers = { count: 2, freeAt: now + 1_000 };
  assert.deepEqual(
    told(many, { rollout: { perMinute: 3 }, picture: { recentOffers } }).map(({ do: what }) => what),
    ["let_install"],
  );
});

test("what stands against installing is written down with when to look again; what holds the whole rollout up lets nobody", () => {
  const block = { code: "outside_window" as const, because: "closed", until: now + minutes(20) };
  assert.deepEqual(told([ready({ block })]), [
    { do: "await_window", deployment: "dep_1", device: "d1", block, lookAgainAt: now + minutes(20) },
  ]);
  assert.deepEqual(told([ready()], { picture: { freezes: [{ from: now - 1, to: now + 1, reason: "harvest" }] } }), []);
  assert.deepEqual(told([ready()], { rollout: { phase: "paused" } }), []);
  const paused = planRollout({ ...rollout, phase: "paused" }, pictureOf([ready()]), now);
  assert.deepEqual(paused, []);
});

test("whose window closed before it began waits again, as long as it is heard; whoever is silent keeps its deadline", () => {
  const late = ready({ awaits: false, go: { until: now }, deadlineAt: now + 5 });
  assert.deepEqual(told([late]), [
    { do: "recall_install", deployment: "dep_1", device: "d1", awaits: true, deadlineAt: now - minutes(60) + days(1) },
  ]);
  assert.deepEqual(told([{ ...late, online: false }]), []);
  assert.deepEqual(told([{ ...late, go: { until: now + 1 } }]), []);
  assert.deepEqual(told([{ ...late, go: {} }]), []);
});

test("at its deadline who waits is skipped, who has not taken it waits on, who was let install and is silent is lost, and a halt cancels those who wait", () => {
  const one: Overdue = {
    ...{ deployment: "dep_1", device: "d1", stage: 0, rollback: false, state: "verified", onlineAtOffer: true, attempt: 1 },
    ...{ offeredAt: now - minutes(30), held: false, ahead: true },
  };
  const ends = (over: Partial<Overdue>, phase: Rollout["phase"] = "running") => {
    const [step] = planRollout({ ...rollout, phase }, { ...pictureOf([ready()]), overdue: [{ ...one, ...over }] }, now);
    return step?.do === "expire" ? `${step.to} ${step.reason}` : step?.do;
  };
  assert.equal(ends({ awaits: true }), "skipped could_not_be_installed");
  assert.equal(ends({ state: "offered" }), "recall_install");
  assert.equal(ends({ goAt: now - minutes(10) }), "unresponsive silent_during_update");
  assert.equal(ends({ goAt: now - minutes(10), heard: true }), "failed install_timed_out");
  assert.equal(ends({ goAt: now - minutes(10), goUntil: now - 1, heard: true }), "recall_install");
  assert.equal(ends({ state: "downloading", heard: true }), "failed download_timed_out");
  assert.equal(ends({ awaits: true }, "rolling_back"), "cancelled rollout_halted");
  assert.equal(ends({ state: "downloading" }, "rolling_back"), "cancelled rollout_halted");
  const closed = { goAt: now - minutes(10), goUntil: now - 1, heard: true };
  assert.equal(ends(closed, "rolling_back"), "cancelled rollout_halted");
  assert.equal(ends({ goAt: now - minutes(10) }, "rolling_back"), "unresponsive silent_during_update");
});

test("the network is looked at for the download, and the power for the installation", () => {
  const conditions = {
    batteryAtLeast: 0.5,
    mains: true as const,
    bearers: ["wifi"],
    unmetered: true as const,
    unknown: "wait" as const,
  };
  const said = { power: { source: "battery", level: 0.2 }, net: { bearer: "cellular" } };
  assert.equal(judgeConditions(networkOnly(conditions), said)?.code, "network_not_allowed");
  assert.equal(judgeConditions(powerOnly(conditions), said)?.code, "not_on_mains");
  assert.equal(judgeConditions(networkOnly(conditions), { net: { bearer: "wifi" } }), undefined);
  assert.equal(judgeConditions(powerOnly(conditions), { power: { source: "mains" } }), undefined);
});
