import { days, formatDuration, type Money, parseDuration, type Scope } from "@tenfold/base";
import { builtInPlans, completePlan, type RolloutPlan, type RolloutPreview, type RolloutRequest } from "@tenfold/contracts";
import { planHashOf } from "./approvals.ts";
import type { RolloutsDeps } from "./deps.ts";
import { rolloutProblems } from "./errors.ts";
import { estimateRollout } from "./estimate.ts";
import { usualDuration } from "./facts.shell.ts";
import type { Picture } from "./picture.ts";
import { listNamedPlans } from "./policy.shell.ts";
import { type Prepared, prepare } from "./prepare.shell.ts";
import { emptyTally, engineOf, isHalted, type Rollout } from "./rollout.ts";
import { standsStill } from "./standstill.ts";
import type { Detour } from "./targets.ts";
import { blockView } from "./view.ts";

/** The plan that a request stands for: a stored plan by its name, and what the request says otherwise. */
export async function planOf({ db }: Pick<RolloutsDeps, "db">, scope: Scope, request: RolloutRequest): Promise<RolloutPlan> {
  const { plan: name } = request;
  if (name === undefined) return completePlan(request);
  const stored = (await listNamedPlans(db, scope)).find((one) => one.name === name)?.plan ?? builtInPlans[name]?.plan;
  if (stored === undefined)
    throw rolloutProblems.rollout_plan_unknown(`There is no plan "${name}".`, {
      field: "plan",
      fix: "See `tenfold rollout plans`.",
    });
  return completePlan(request, stored);
}

const usualWithin = days(30);

function describeDetour({ stones, devices }: Detour): RolloutPreview["detours"][number] {
  const waitsFor = stones.flatMap(({ provenBy }) => provenBy ?? []);
  return { over: stones.map(({ version }) => version), devices, ...(waitsFor.length > 0 ? { waitsFor } : {}) };
}

/** A dry run: who, how many bytes, how long, and the most that a bad release could harm. */
export async function previewRollout(deps: RolloutsDeps, scope: Scope, request: RolloutRequest): Promise<RolloutPreview> {
  const { db, book, clock } = deps;
  const now = clock.now();
  const plan = await planOf(deps, scope, request);
  const prepared = await prepare(deps, scope, { plan });
  const { release, places, stages, excluded, detours, approvalsNeeded } = prepared;
  const policy = await book.policyOf(db, scope);
  const freezes = await book.freezesFrom(db, scope, now);
  const rollout = engineOf({
    ...{ id: prepared.id, phase: "running", stage: 0, author: "", approvalsNeeded: 0, plan },
    release: { sha256: release.artifact.sha256 },
  });
  const estimate = estimateRollout(
    {
      ...{ rollout, stages, freezes, policyWindows: policy.windows },
      jitterMs: parseDuration(plan.jitter) ?? 0,
      usualMs: await usualDuration(db, scope, now - usualWithin),
    },
    now,
  );
  const picture: Picture = {
    stages: [{ ...emptyTally(), index: 0, state: "running", devices: places.length, queued: places.length }],
    ...{ restores: emptyTally(), overdue: [], waiting: [], unrestored: [], freezes, policyWindows: policy.windows },
    unmetRollouts: await book.unmetRollouts(db, scope, plan.requires.rollouts),
  };
  const bytes =
    places.length * release.artifact.size + sumOf(detours, ({ stones, devices }) => devices * sumOf(stones, ({ size }) => size));
  return {
    plan,
    planHash: planHashOf(plan, release.artifact.sha256),
    targets: places.length,
    stages: stages.map((stage, i) => ({
      ...stage,
      takes: formatDuration(estimate.stages[i]?.takesMs ?? 0),
      worstCaseExposed: estimate.stages[i]?.worstCaseExposed ?? 0,
    })),
    strata: strataOf(places),
    bytes,
    ...(policy.pricePerGb ? { cost: costOf(bytes, policy.pricePerGb) } : {}),
    excluded,
    detours: detours.map(describeDetour),
    worstCaseExposed: estimate.stages[0]?.worstCaseExposed ?? 0,
    estimate: {
      takes: formatDuration(estimate.endsAt - now),
      endsAt: new Date(estimate.endsAt).toISOString(),
      assumptions: estimate.assumptions,
    },
    approvalsNeeded,
    ...(await takenBackBefore(deps, scope, release.id)),
    ...heldNow(rollout, picture, now),
  };
}

/** Whoever rolls it out again should know: this time the way back of that rollout is over, and nobody is led away from it any more. */
async function takenBackBefore(
  { db, book }: RolloutsDeps,
  scope: Scope,
  release: string,
): Promise<Pick<RolloutPreview, "takenBack">> {
  const last = (await book.lastRollouts(db, scope, [release])).get(release);
  const rollout = last && isHalted(last.phase) ? await book.findRollout(db, scope, last.id) : undefined;
  if (rollout?.haltedAt === undefined) return {};
  return {
    takenBack: {
      rollout: rollout.id,
      at: new Date(rollout.haltedAt).toISOString(),
      because: rollout.haltedBecause ?? rollout.because,
    },
  };
}

/** Rounded up: a dry run promises nothing cheaper than it will be. */
const costOf = (bytes: number, { amount, currency }: Money): Money => ({ amount: Math.ceil((bytes / 1e9) * amount), currency });

const sumOf = <T>(items: readonly T[], each: (item: T) => number): number => items.reduce((sum, item) => sum + each(item), 0);

function heldNow(rollout: Rollout, picture: Picture, now: number): Pick<RolloutPreview, "blocked"> {
  const still = standsStill(rollout, picture, now);
  return still === undefined ? {} : { blocked: blockView(still) };
}

function strataOf(places: Prepared["places"]): RolloutPreview["strata"] {
  const byStratum = Map.groupBy(
    places.filter(({ stratum }) => stratum !== ""),
    ({ stratum }) => stratum,
  );
  return [...byStratum]
    .map(([stratum, of]) => ({ stratum, devices: of.length, canary: of.filter(({ stage }) => stage === 0).length }))
    .toSorted((a, b) => b.devices - a.devices || (a.stratum < b.stratum ? -1 : 1));
}
