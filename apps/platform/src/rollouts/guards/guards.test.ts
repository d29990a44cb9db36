import assert from "node:assert/strict";
import { test } from "node:test";
import { hours, minutes, seededRandom } from "@tenfold/base";
import { type GuardName, guardName } from "@tenfold/contracts";
import fc from "fast-check";
import { judgeGates } from "../gate.ts";
import { emptyTally } from "../rollout.ts";
import { darknessAround, holdOf } from "./darkness.ts";
import { type GuardSums, guardLogE, haltAtLogEOf, haltingGuard, logPayoffs, type RankCount, weighGuards } from "./evidence.ts";
import { controlsEach, matchControls, rankAmong, strataOf } from "./matching.ts";
import { measure, nothingSeen, seeEvent, seeHeartbeat, type Window } from "./vitals.ts";

const everyGuard = { watch: guardName.options, falseHalts: 0.002, least: 3 };

test("a bet pays 1 on the average over the places of a set, however many do equally well: no set is evidence by itself", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 2, maxLength: 12 }), (values) => {
      const pays = values.map((value, i) => logPayoffs(rankAmong(value, values.toSpliced(i, 1)) ?? assert.fail()));
      pays[0]?.forEach((_, bet) => {
        const mean = pays.reduce((sum, pay) => sum + Math.exp(pay[bet] ?? 0), 0) / values.length;
        assert.ok(Math.abs(mean - 1) < 1e-9, `${mean}`);
      });
    }),
  );
});

test("where everybody does equally well there is no evidence; where an updated device is the worst of ten five times over, the gate halts", () => {
  assert.equal(Math.round(guardLogE([[9, 0, 9, 400]]) * 1e9), 0);
  const worst = (devices: number) =>
    weighGuards(everyGuard, [{ guard: "memory", counts: [[9, 0, 0, devices]], exposedMedian: 0.2, controlMedian: 0 }]);
  assert.equal(haltingGuard(worst(4)), undefined);
  assert.equal(haltingGuard(worst(5))?.guard, "memory");
  const stage = { ...emptyTally(), devices: 5, succeeded: 5 };
  const sums: GuardSums[] = [{ guard: "memory", counts: [[9, 0, 0, 5]], exposedMedian: 0.2, controlMedian: 0.001 }];
  const verdict = judgeGates({ stage, stages: [stage], haltAbove: 0.05, guardRule: everyGuard, guards: sums });
  assert.ok(verdict.is === "halt" && verdict.gate === "guard");
  assert.match(
    verdict.because,
    /take up memory faster \(\+20 % an hour in the middle, beside \+0.1 % an hour without the release\)/,
  );
});

test("one odd device halts nothing: a guard compares at least as many as the plan says", () => {
  const sure: GuardSums[] = [{ guard: "crashes", counts: [[9, 0, 0, 5]], exposedMedian: 1, controlMedian: 0 }];
  assert.equal(haltingGuard(weighGuards({ ...everyGuard, least: 6 }, sure)), undefined);
});

/** A fleet whose devices differ for good, have noise, and share what happens to all; each guard judged as the devices come in. */
function playFleet(random: () => number, { sets, controls, effect }: { sets: number; controls: number; effect: number }): boolean {
  const counts = new Map<GuardName, RankCount[]>(guardName.options.map((guard) => [guard, []]));
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  for (let i = 0; i < sets; i++) {
    const outage = random() < 0.2 ? 5 : 0;
    for (const [guard, list] of counts) {
      const one = () => normal() + normal() + outage;
      const rank = rankAmong(one() + effect, Array.from({ length: controls }, one)) ?? assert.fail();
      list.push([rank.controls, rank.worse, rank.equal, 1]);
      const sums = [{ guard, counts: list, exposedMedian: null, controlMedian: null }];
      if (haltingGuard(weighGuards(everyGuard, sums))) return true;
    }
  }
  return false;
}

test("of healthy rollouts the guards together halt at most 1 in 500, however often they are looked at; of bad ones all", () => {
  const random = seededRandom("guards");
  const halted = (effect: number, runs: number) =>
    Array.from({ length: runs }, () => playFleet(random, { sets: 40, controls: 9, effect })).filter(Boolean).length;
  assert.ok(halted(0, 100) <= 1);
  assert.equal(halted(4, 20), 20);
});

test("each guard has an even part of the budget, and failures have the rest of 1 %", () => {
  assert.equal(Math.round(Math.exp(haltAtLogEOf(everyGuard))), 2_500);
  const stage = emptyTally();
  const marks = [everyGuard, { ...everyGuard, watch: [] }].map(
    (guardRule) => judgeGates({ stage, stages: [stage], haltAbove: 0.05, guardRule, guards: [] }).evidence.haltAtLogE,
  );
  assert.deepEqual(
    marks.map((mark) => Math.round(Math.exp(mark))),
    [125, 100],
  );
});

test("nobody is compared twice over a whole rollout, and the last stage has nobody beside it", () => {
  assert.deepEqual(controlsEach([5, 20, 75]), [9, 1, 0]);
  assert.deepEqual(controlsEach([100]), [0]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 8 }), (stages) => {
      const each = controlsEach(stages);
      stages.forEach((_, stage) => {
        const later = stages.slice(stage + 1).reduce((sum, n) => sum + n, 0);
        const taken = stages.slice(0, stage + 1).reduce((sum, n, i) => sum + n * (each[i] ?? 0), 0);
        assert.ok((each[stage] ?? 0) === 0 || taken <= later);
      });
    }),
  );
});

test("controls are of the same model and site where there are enough of them, of the same model otherwise, and nobody's twice", () => {
  const device = (id: string, site: string) => ({
    device: id,
    strata: strataOf({ model: "pump", tags: { site } }, ["site", "region"]),
  });
  const others = ["c1", "c2", "c3"].map((id) => device(id, "berlin")).concat(device("c4", "rome"), device("c5", "rome"));
  const sets = matchControls([device("e1", "berlin"), device("e2", "berlin"), device("e3", "rome")], others, 2);
  assert.deepEqual(
    sets.map(({ exposed, controls, stratum }) => [exposed, controls, stratum]),
    [
      ["e1", ["c1", "c2"], "model:pump site:berlin"],
      ["e2", ["c3", "c4"], "model:pump"],
    ],
  );
});

const window: Window = { from: 0, settledAt: minutes(10), until: hours(2) };
const beats = (of: (at: number) => object, { from = 0, bootId = "one" }: { from?: number; bootId?: string } = {}) =>
  Array.from({ length: 120 }, (_, i) => i * minutes(1)).flatMap((at) =>
    at < from ? [] : [{ at, beat: { bootId, uptimeS: (at - from) / 1_000, ...of(at) } }],
  );
const seen = (samples: ReturnType<typeof beats>) => samples.reduce((now, sample) => seeHeartbeat(now, sample, window), nothingSeen);
const measured = (guard: GuardName, samples: ReturnType<typeof beats>) =>
  measure(guard, { seen: seen(samples), window, reachableMs: hours(1) });

test("a leak is what memory grows by an hour once the machine has settled: what its start took is no leak", () => {
  const start = (at: number) => 40e6 * (1 - Math.exp(-at / minutes(2)));
  const steady =
    measured(
      "memory",
      beats((at) => ({ memory: { usedBytes: 100e6 + start(at) } })),
    ) ?? assert.fail();
  const leaking =
    measured(
      "memory",
      beats((at) => ({ memory: { usedBytes: 100e6 + start(at) + 10e6 * (at / hours(1)) } })),
    ) ?? assert.fail();
  assert.ok(Math.abs(steady) < 0.002, `${steady}`);
  assert.ok(leaking > 0.06 && leaking < 0.08, `${leaking}`);
});

test("charge is compared only where there is a battery, data over counters that begin anew with each boot", () => {
  const battery = (source: string) => beats((at) => ({ power: { source, level: 1 - 0.05 * (at / hours(1)) } as never }));
  assert.equal(measured("battery", battery("battery")), 0.05);
  assert.equal(measured("battery", battery("mains")), undefined);
  const counting = [
    ...beats((at) => ({ counters: { rx_bytes: at, tx_bytes: at } })).slice(0, 60),
    ...beats((at) => ({ counters: { rx_bytes: at - hours(1), tx_bytes: at - hours(1) } }), { from: hours(1), bootId: "two" }),
  ];
  const data = measured("data", counting) ?? assert.fail();
  assert.ok(Math.abs(data - 2 * hours(1)) < 0.1 * hours(1), `${data}`);
});

test("crashes are events that say so and restarts that nobody ordered; hearing of them twice, late or afterwards counts nothing", () => {
  const restarted = [...beats(() => ({})).slice(0, 10), ...beats(() => ({}), { from: minutes(10), bootId: "two" })];
  const event = (at: number, type = "kernel_panic") => ({ event: { type }, at });
  const all = [event(minutes(3)), event(minutes(3)), event(minutes(4), "door_opened"), event(hours(3)), event(minutes(2))].reduce(
    (now, one) => seeEvent(now, one, window),
    [...restarted, ...restarted].reduce((now, sample) => seeHeartbeat(now, sample, window), nothingSeen),
  );
  assert.deepEqual([all.crashes, all.restarts], [1, 1]);
  assert.equal(measure("crashes", { seen: all, window, reachableMs: 0 }), 1);
  assert.equal(measure("reachable", { seen: all, window, reachableMs: hours(1) }), -0.5);
});

const bystanders = (silent: number, of: number, site = "berlin") =>
  Array.from({ length: of }, (_, i) => ({
    strata: [`model:pump site:${site}`, "model:pump"],
    ...(i < silent ? { silentSince: 100 } : {}),
  }));

const others = (untouched: ReturnType<typeof bystanders>, settled: ReturnType<typeof bystanders> = []) => ({ untouched, settled });

test("where nobody is left who was not offered the release, those that ran it well for a stage are looked at", () => {
  const strata = ["model:pump site:berlin", "model:pump"];
  assert.match(darknessAround(strata, others([], bystanders(10, 10)), 50) ?? "", /10 of 10 devices .* had run the release well/);
  // Those who never had it know better.
  assert.equal(darknessAround(strata, others(bystanders(0, 10), bystanders(10, 10)), 50), undefined);
  assert.equal(darknessAround(strata, others([], []), 50), undefined);
});

test("where too few are left of those not offered it and of those that ran it well, they are looked at together", () => {
  const at = (silent: boolean) => ({ strata: ["site=a", "all"], ...(silent ? { silentSince: 10 } : {}) });
  const elsewhere = Array.from({ length: 60 }, () => ({ strata: ["site=b", "all"] }));
  const around = (untouched: boolean[], settled: boolean[]) =>
    darknessAround(["site=a", "all"], { untouched: [...untouched.map(at), ...elsewhere], settled: settled.map(at) }, 5);
  assert.match(around([true, true], [true]) ?? "", /^3 of 3 devices of site=a/);
  assert.equal(around([true, true], [false]), undefined);
  assert.equal(around([true], [true]), undefined);
});

test("silence says nothing while those whom the release never reached are silent too, and everything when only updated devices are", () => {
  const strata = ["model:pump site:berlin", "model:pump"];
  assert.match(darknessAround(strata, others(bystanders(9, 10)), 50) ?? "", /9 of 10 devices of model:pump site:berlin/);
  assert.equal(darknessAround(strata, others(bystanders(0, 200)), 50), undefined);
  assert.equal(darknessAround(strata, others(bystanders(3, 200)), 50), undefined);
  // Elsewhere all is well: what counts is the device's own site.
  assert.ok(darknessAround(strata, others([...bystanders(10, 10), ...bystanders(0, 500, "rome")]), 50));
  // Those that were silent before the offer tell nothing.
  assert.equal(darknessAround(strata, others(bystanders(10, 10)), 200), undefined);
});

test("a deadline is put off in steps, once more when it is light again, and not for ever", () => {
  const silent = { deployment: "dep", device: "d", offeredAt: 0, held: false, dark: "9 of 10 are silent" };
  const hold = holdOf(silent, { deadlineMs: hours(1) }, hours(1));
  assert.deepEqual([hold?.do, hold?.until], ["hold", hours(1) + minutes(15)]);
  assert.equal(holdOf(silent, { deadlineMs: hours(1) }, hours(5)), undefined);
  const { dark: _, ...lit } = silent;
  assert.equal(holdOf(lit, { deadlineMs: hours(1) }, hours(1)), undefined);
  const again = holdOf({ ...lit, held: true }, { deadlineMs: hours(1) }, hours(2));
  assert.deepEqual([again?.dark, again?.until], ["over", hours(3)]);
});
