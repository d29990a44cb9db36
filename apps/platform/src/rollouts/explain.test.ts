import assert from "node:assert/strict";
import { test } from "node:test";
import { days, minutes, seededRandom } from "@tenfold/base";
import { blockCodes, type RolloutPhase } from "@tenfold/contracts";
import { explainPlaced, type Placed } from "./explain.ts";
import type { Waiting } from "./line.ts";
import type { Ahead, Picture } from "./picture.ts";
import { planRollout } from "./plan.ts";
import { emptyTally, type Rollout } from "./rollout.ts";

type Case = { rollout: Rollout; picture: Picture; placed: Placed[]; now: number };

/** Devices that download ahead of their window. */
function aheadOf(random: () => number, now: number): Ahead[] {
  const chance = (p: number) => random() < p;
  const below = (n: number) => Math.floor(random() * n);
  const pick = <T>(all: readonly T[]): T => all[below(all.length)] as T;
  return Array.from({ length: chance(0.3) ? below(4) : 0 }, (_, i) => ({
    ...{ deployment: `dep_ahead_${i}`, device: `a${i}`, online: chance(0.8), awaits: chance(0.8) },
    ...{
      offeredAt: now - below(minutes(10)),
      deadlineAt: now + below(minutes(10)),
      state: pick(["downloading", "verified"] as const),
    },
    ...(chance(0.2) ? { go: chance(0.7) ? { until: now - 30_000 + below(60_000) } : {} } : {}),
    ...(chance(0.4) ? { block: { code: pick(["outside_window", "battery_low"] as const), because: "so" } } : {}),
  }));
}

/** A rollout, a fleet and a moment, of all kinds. */
function caseOf(random: () => number): Case {
  const chance = (p: number) => random() < p;
  const below = (n: number) => Math.floor(random() * n);
  const pick = <T>(all: readonly T[]): T => all[below(all.length)] as T;
  const now = Date.UTC(2026, 5, 1) + below(86_400_000);
  const stage = below(2);
  const phase = pick<RolloutPhase>(["running", "running", "running", "running", "paused", "awaiting_approval", "rolling_back"]);
  const window = { from: "08:00", to: "18:00", zone: "UTC" };
  const rollout: Rollout = {
    ...{
      id: "rol_1",
      phase,
      stage,
      haltAbove: pick([0, 0.1, 0.5]),
      deadlineMs: minutes(10),
      soakMs: 0,
      atOnce: 1 + below(4),
      onHalt: "roll_back",
    },
    ...{
      giveUpAfterMs: pick([minutes(5), days(14)]),
      conditions: { unknown: "wait" as const },
      retries: { most: 1, backoffMs: minutes(5), on: ["network" as const] },
    },
    guards: { watch: [], falseHalts: 0.002, least: 3 },
    ...{ author: "ann", planHash: "h", approvalsNeeded: pick([0, 0, 1]), windows: chance(0.3) ? [window] : [] },
    ...(chance(0.3) ? { perMinute: 1 + below(3) } : {}),
    ...(chance(0.1) ? { freezeOverride: "emergency" } : {}),
    ...(chance(0.5) ? { ahead: true } : {}),
  };
  const waiting: Waiting[] = Array.from({ length: below(8) }, (_, i) => ({
    ...{ deployment: `dep_${i}`, device: `d${i}`, online: chance(0.7), since: now - below(minutes(10)) },
    ...(chance(0.15) ? { pointless: { reason: "superseded" as const, detail: "It already runs it." } } : {}),
    ...(chance(0.35)
      ? { block: { code: pick(blockCodes), because: "so", ...(chance(0.5) ? { until: now + 1 + below(100_000) } : {}) } }
      : {}),
  }));
  const tally = (queued: number) => ({
    ...emptyTally(),
    queued,
    inFlight: below(3),
    succeeded: below(4),
    harmed: chance(0.15) ? below(4) : 0,
    devices: queued + 10,
  });
  const ahead = aheadOf(random, now);
  const later = Array.from({ length: below(3) }, (_, i) => `dep_later_${i}`);
  const aside = Array.from({ length: below(3) }, (_, i) => `dep_aside_${i}`);
  const at = phase === "rolling_back" ? undefined : stage;
  const picture: Picture = {
    stages: [0, 1, 2].map((index) => ({
      ...tally(index === at ? waiting.length + aside.length : 3),
      index,
      state: index < stage ? "passed" : index === stage ? pick(["running", "running", "running", "waiting"]) : "waiting",
    })),
    restores:
      phase === "rolling_back"
        ? { ...emptyTally(), queued: waiting.length, devices: waiting.length, inFlight: below(2) }
        : emptyTally(),
    overdue: chance(0.2)
      ? [
          {
            deployment: "dep_o",
            device: "do",
            stage,
            rollback: false,
            state: "offered",
            onlineAtOffer: chance(0.5),
            attempt: 1,
            offeredAt: now - minutes(10),
            held: false,
          },
        ]
      : [],
    ...(ahead.length > 0 ? { ahead, awaiting: ahead.filter(({ awaits }) => awaits).length } : {}),
    ...{ waiting, unrestored: [], freezes: chance(0.2) ? [{ from: now - 5, to: now + below(10), reason: "harvest" }] : [] },
    policyWindows: chance(0.1) ? [window] : [],
    approvals: chance(0.6) ? [{ actor: "ben", name: "ben", planHash: pick(["h", "g"]), at: 0 }] : [],
    ...(chance(0.1) ? { releaseUnusable: "It is retired." } : {}),
    ...(chance(0.2) ? { sharedPlaces: below(3) } : {}),
    ...(chance(0.3) ? { recentOffers: { count: below(4), freeAt: now + 30_000 } } : {}),
    ...(chance(0.1) ? { unmetRollouts: ["rol_0"] } : {}),
  };
  const place = (deployment: string, over: Partial<Placed> = {}): Placed => ({
    ...{ deployment, stage, rollback: phase === "rolling_back", state: "queued", version: "2", lookAgainAt: 0 },
    ...over,
  });
  const placed = [
    ...waiting.map(({ deployment }) => place(deployment)),
    ...ahead.flatMap(({ deployment, awaits }) => (awaits ? place(deployment, { state: "verified", awaits, rollback: false }) : [])),
    ...later.map((deployment) => place(deployment, { stage: Math.min(2, stage + 1), rollback: false })),
    ...aside.map((deployment) =>
      place(deployment, { lookAgainAt: now + 60_000, blocked: { code: "battery_low", because: "Its battery is low." } }),
    ),
  ];
  return { rollout, picture, placed, now };
}

/** `TENFOLD_LONG=1` runs as many as the long run. */
const cases = process.env.TENFOLD_LONG === "1" ? 100_000 : 3_000;

test(`the explainer and the engine agree on every device of ${cases} random pictures`, () => {
  const random = seededRandom("explain");
  const seen = new Set<string>();
  for (let i = 0; i < cases; i++) {
    const { rollout, picture, placed, now } = caseOf(random);
    const steps = planRollout(rollout, picture, now);
    const offered = new Set(steps.flatMap((step) => (step.do === "offer" ? step.deployment : [])));
    const skipped = new Set(steps.flatMap((step) => (step.do === "skip" ? step.deployment : [])));
    const allowed = new Set(steps.flatMap((step) => (step.do === "let_install" ? step.deployment : [])));
    const held = new Set(
      steps.flatMap((step) => (step.do === "await_window" && step.block.code === "outside_window" ? step.deployment : [])),
    );
    const asides = new Map(
      steps.flatMap((step) => (step.do === "step_aside" ? [[step.deployment, step.block.code] as const] : [])),
    );
    for (const one of placed) {
      const { code, because } = explainPlaced(one, { rollout, picture }, now);
      seen.add(code);
      const context = `case ${i}, ${one.deployment}: ${code} (${because}); the engine: ${JSON.stringify(steps.map((step) => step.do))}`;
      assert.equal(code === "offered_next", offered.has(one.deployment), context);
      assert.equal(code === "ended_skipped", skipped.has(one.deployment), context);
      assert.equal(code === "installs_next", allowed.has(one.deployment), context);
      if (held.has(one.deployment)) assert.equal(code, "awaits_window", context);
      if (asides.has(one.deployment)) assert.equal(code, asides.get(one.deployment), context);
      assert.notEqual(because, "");
    }
  }
  for (const code of [
    "offered_next",
    "installs_next",
    "awaits_window",
    "awaiting_approval",
    "paused",
    "frozen",
    "outside_window",
    "prerequisite_rollout",
    "release_unusable",
    "stage_not_begun",
    "at_once_reached",
    "shared_places_reached",
    "rate_reached",
    "turn_not_come",
    "battery_low",
    "ended_skipped",
  ])
    assert.ok(seen.has(code), `${code} never came up`);
});
