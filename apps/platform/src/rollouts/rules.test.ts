import assert from "node:assert/strict";
import { test } from "node:test";
import { days, minutes } from "@tenfold/base";
import { deploymentReason, offerConditions, rolloutPlan } from "@tenfold/contracts";
import fc from "fast-check";
import { planHashOf, validApprovals } from "./approvals.ts";
import { judgeConditions } from "./conditions.ts";
import { judgePins } from "./line.ts";
import { retriesOf, retryOf } from "./retries.ts";
import { emptyTally } from "./rollout.ts";
import { placesFor, sharesByWeight } from "./shares.ts";
import { judgeStrata } from "./strata.ts";

const code = (conditions: object, said: Parameters<typeof judgeConditions>[1]) =>
  judgeConditions(offerConditions.parse(conditions), said)?.code;

test("a battery that is too low waits, mains pass, and a device that says nothing waits unless the plan lets it go", () => {
  const half = { batteryAtLeast: 0.5 };
  assert.equal(code(half, { power: { source: "battery", level: 0.49 } }), "battery_low");
  assert.equal(code(half, { power: { source: "battery", level: 0.5 } }), undefined);
  assert.equal(code(half, { power: { source: "mains" } }), undefined);
  assert.equal(code(half, { power: { source: "solar" } }), "power_unknown");
  assert.equal(code(half, {}), "power_unknown");
  assert.equal(code({ ...half, unknown: "go" }, {}), undefined);
  assert.equal(code({ mains: true }, { power: { source: "battery", level: 1 } }), "not_on_mains");
  assert.equal(code({}, {}), undefined);
});

test("a connection that is paid by volume waits; cellular counts as one unless the device says that it is none", () => {
  assert.equal(code({ unmetered: true }, { net: { bearer: "cellular" } }), "network_metered");
  assert.equal(code({ unmetered: true }, { net: { bearer: "cellular", metered: false } }), undefined);
  assert.equal(code({ unmetered: true }, { net: { bearer: "wifi", metered: true } }), "network_metered");
  assert.equal(code({ bearers: ["ethernet"] }, { net: { bearer: "wifi" } }), "network_not_allowed");
  assert.equal(code({ bearers: ["ethernet"] }, {}), "network_unknown");
});

test("a failure of the network is tried again after a wait that doubles; a signature, a boot or silence after a reboot never is", () => {
  const rule = retriesOf({ most: 3, backoff: "PT5M", on: ["network", "space", "install", "unreached"] });
  const failed = (
    reason: (typeof deploymentReason.options)[number],
    attempt = 1,
    state: "failed" | "rolled_back" | "unresponsive" = "failed",
  ) => retryOf({ device: "d1", attempt, rollback: false, state, reason }, rule, 0);
  const waits = [1, 2, 3].map((attempt) => failed("download_network", attempt)?.notBefore ?? 0);
  waits.forEach((wait, i) => {
    const least = minutes(5) * 2 ** i;
    assert.ok(wait >= least && wait <= least * 1.2, `try ${i + 2} after ${wait}`);
  });
  assert.equal(failed("download_network", 4), undefined);
  for (const reason of deploymentReason.options.filter((one) =>
    /^(offer|boot|validate)_|signature|after_reboot|during_update/.test(one),
  ))
    assert.equal(failed(reason), undefined, reason);
  assert.equal(failed("boot_fell_back", 1, "rolled_back"), undefined);
  assert.ok(
    (retryOf({ device: "d", attempt: 9, rollback: false, state: "failed", reason: "download_network" }, { ...rule, most: 10 }, 0)
      ?.notBefore ?? 0) <= days(1.2),
  );
});

test("an approval is for one plan, counts once a person, and never from the author", () => {
  const plan = rolloutPlan.parse({ release: "2.0.0" });
  const hash = planHashOf(plan, "aa");
  const by = (actor: string, planHash = hash) => ({ actor, name: actor, planHash, at: 0 });
  const valid = (...all: ReturnType<typeof by>[]) =>
    validApprovals(all, { planHash: hash, author: "ann" }).map(({ actor }) => actor);
  assert.deepEqual(valid(by("ann"), by("ben"), by("ben"), by("cyd", "other"), by("dan")), ["ben", "dan"]);
  assert.notEqual(planHashOf({ ...plan, haltAbove: 0.06 }, "aa"), hash);
  assert.notEqual(planHashOf(plan, "ab"), hash);
  assert.equal(planHashOf(rolloutPlan.parse({ ...plan }), "aa"), hash);
});

test("a pin lets its own version through until it expires; an exclusion lets nothing through", () => {
  assert.equal(judgePins([{ id: "p", version: "1.0.0", reason: "lab" }], "1.0.0", 0), undefined);
  assert.equal(judgePins([{ id: "p", version: "1.0.0", reason: "lab" }], "2.0.0", 0)?.code, "pinned");
  assert.equal(judgePins([{ id: "p", reason: "demo", expiresAt: 10 }], "2.0.0", 9)?.code, "excluded");
  assert.equal(judgePins([{ id: "p", reason: "demo", expiresAt: 10 }], "2.0.0", 10), undefined);
});

const claims = fc
  .array(
    fc.record({
      weight: fc.integer({ min: 1, max: 1_000 }),
      inFlight: fc.integer({ min: 0, max: 30 }),
      queued: fc.integer({ min: 0, max: 50 }),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((all) => all.map((one, i) => ({ ...one, rollout: `rol_${i}` })));

test("rollouts share the fleet's places by weight: never more than there are, none idle while somebody waits", () => {
  fc.assert(
    fc.property(claims, fc.integer({ min: 1, max: 100 }), (all, total) => {
      const shares = [...sharesByWeight(total, all).values()].reduce((sum, n) => sum + n, 0);
      const wanted = all.reduce((sum, { inFlight, queued }) => sum + inFlight + queued, 0);
      assert.equal(shares, Math.min(total, wanted));
      let taken = all.reduce((sum, { inFlight }) => sum + inFlight, 0);
      const after = all.map((claim) => ({ ...claim }));
      for (const claim of after) {
        const more = placesFor(claim.rollout, { total, claims: after });
        assert.ok(more <= claim.queued);
        claim.inFlight += more;
        claim.queued -= more;
        taken += more;
        assert.ok(more === 0 || taken <= total);
      }
    }),
    { numRuns: 300 },
  );
  assert.equal(
    placesFor("a", {
      total: 10,
      claims: [
        { rollout: "a", weight: 300, inFlight: 0, queued: 50 },
        { rollout: "b", weight: 100, inFlight: 0, queued: 50 },
      ],
    }),
    8,
  );
});

test("a release that is bad for one kind only is seen among its kind", () => {
  const tally = (stratum: string, succeeded: number, harmed: number) => ({
    ...emptyTally(),
    stratum,
    devices: 50,
    succeeded,
    harmed,
  });
  const many = Array.from({ length: 49 }, (_, i) => tally(`model=m${i}`, 10, 0));
  assert.equal(judgeStrata([...many, tally("model=bad", 0, 1)]), undefined);
  assert.match(judgeStrata([...many, tally("model=bad", 0, 3)])?.because ?? "", /model=bad, 3 of 3/);
});
