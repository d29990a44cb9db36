import { newId, parseDuration, type Scope } from "@tenfold/base";
import type { RolloutPlan } from "@tenfold/contracts";
import type { StoredRelease } from "../releases/index.ts";
import type { RolloutsDeps } from "./deps.ts";
import { rolloutProblems } from "./errors.ts";
import { delayOf, placeDevices, stageSizes } from "./membership.ts";
import { pinsFor } from "./picture.shell.ts";
import type { NewPlace } from "./places.shell.ts";
import { refuseUnclear } from "./plan-check.ts";
import { stonesOf } from "./stones.shell.ts";
import { stratumOf } from "./strata.ts";
import { chooseTargets, type Detour, type Excluded, type Target } from "./targets.ts";

export type Prepared = {
  /** The rollout's id: who is in the canary hangs on it. */
  id: string;
  release: StoredRelease;
  places: NewPlace[];
  stages: { share: number; devices: number }[];
  excluded: Excluded[];
  /** Devices that come to the release over stepping stones. */
  detours: Detour[];
  approvalsNeeded: number;
};

/** What a plan means today: a dry run, and the first half of the start. Refuses a plan that cannot be carried out. */
export async function prepare(
  deps: RolloutsDeps,
  scope: Scope,
  { plan, id = newId("rol", deps.clock.now()) }: { plan: RolloutPlan; id?: string },
): Promise<Prepared> {
  const { db, book, registry, clock } = deps;
  refuseUnclear(plan);
  const release = await usableRelease(deps, scope, plan.release);
  await needPrerequisites(deps, scope, plan);
  const now = clock.now();
  const choice = chooseTargets(await registry.select(scope, plan.filter), {
    release: targetOf(release),
    weight: plan.weight,
    now,
    busy: await book.busyDevices(db, scope),
    pins: await pinsFor(deps, scope, { now }),
    stones: await stonesOf(deps, db, scope, release),
  });
  const members = choice.targets.map((device) => ({ device: device.id, stratum: stratumOf(device, plan.strata) }));
  const shares = plan.stages.map(({ share }) => share);
  const jitterMs = parseDuration(plan.jitter) ?? 0;
  const perStratum = plan.strata.length > 0 ? plan.perStratum : 0;
  const places =
    members.length === 0
      ? []
      : placeDevices(id, members, { shares, perStratum }).map((place) => ({
          ...place,
          id: newId("dep", now),
          delayMs: delayOf(id, place.device, jitterMs),
        }));
  const sizes = stageSizes(places, plan.stages.length);
  const policy = await book.policyOf(db, scope);
  return {
    ...{ id, release, places },
    excluded: choice.excluded,
    detours: choice.detours,
    stages: plan.stages.map(({ share }, i) => ({ share, devices: sizes[i] ?? 0 })),
    approvalsNeeded: Math.max(plan.approvals, policy.approvals),
  };
}

/** A release as far as it decides who gets it. */
export const targetOf = ({ version, channel, artifact, envelope }: StoredRelease): Target => ({
  ...{ version, channel },
  sha256: artifact.sha256,
  fits: envelope.signed,
});

async function usableRelease({ db, releases }: RolloutsDeps, scope: Scope, wanted: string): Promise<StoredRelease> {
  const release = await releases.get(db, scope, wanted);
  if (!release)
    throw rolloutProblems.rollout_release_unusable(`There is no release "${wanted}".`, {
      field: "release",
      fix: "See `tenfold release list`.",
    });
  const usability = await releases.usability(db, scope, release);
  if (usability.is === "unusable") throw rolloutProblems.rollout_release_unusable(usability.detail, { field: "release" });
  return release;
}

/** Reads the prerequisite's filter, so that a bad one is refused here and not found out by the loop; and finds the rollouts that it names. */
async function needPrerequisites({ db, book, registry }: RolloutsDeps, scope: Scope, { requires }: RolloutPlan): Promise<void> {
  if (requires.device !== "") await registry.select(scope, requires.device, { among: [] });
  for (const id of requires.rollouts) {
    if ((await book.findRollout(db, scope, id)) === undefined)
      throw rolloutProblems.rollout_prerequisite_unknown(`There is no rollout "${id}" to wait for.`, {
        field: "requires.rollouts",
        fix: "See `tenfold rollout list`.",
      });
  }
}
