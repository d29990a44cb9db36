import type { BlockCode, DeploymentState } from "@tenfold/contracts";
import type { Approval } from "./approvals.ts";
import type { Block } from "./conditions.ts";
import type { GuardSums } from "./guards/evidence.ts";
import type { Waiting } from "./line.ts";
import type { Rollout, StageTally, Tally } from "./rollout.ts";
import type { StratumTally } from "./strata.ts";

/** A deployment whose deadline has passed. */
export type Overdue = {
  deployment: string;
  device: string;
  stage: number;
  rollback: boolean;
  state: DeploymentState;
  onlineAtOffer: boolean;
  attempt: number;
  offeredAt: number;
  /** Something was heard of it since the step began that it is in, and its contact lease holds. */
  heard?: boolean;
  /** It was offered to download ahead of its window; `goAt`: when it was let install. */
  ahead?: true;
  goAt?: number;
  /** When its window closes. */
  goUntil?: number;
  /** It takes no place and is in no haste: it waits for its window. */
  awaits?: true;
  /** Its deadline had been put off, and nothing was heard since. */
  held: boolean;
  /** Why its silence says nothing about the release now, if so: devices around are silent too. */
  dark?: string;
};
/** A deployment that was offered ahead of its window and has not begun to be installed. */
export type Ahead = {
  deployment: string;
  device: string;
  state: DeploymentState;
  offeredAt: number;
  /** When its present step must be done. */
  deadlineAt: number;
  /** It takes no place: it has downloaded, or does not download before its window. */
  awaits: boolean;
  /** It was let install, until then where that is known. */
  go?: { until?: number };
  online: boolean;
  /** What stands against installing now. */
  block?: Block;
  /** When its window closes. */
  closesAt?: number;
};

/** A release to go back to. */
export type Target = { release: string; version: string; sha256: string };
/** A device that took the release and has no way back yet. */
export type Unrestored = { deployment: string; device: string; attempt: number; previous?: Target };

/** Everything that the next steps depend on. Lists may be cut to a batch; tallies are of all. */
export type Picture = {
  stages: readonly StageTally[];
  restores: Tally;
  overdue: readonly Overdue[];
  /** Of the current stage; of the rollbacks once it has halted. In order. */
  waiting: readonly Waiting[];
  /** Of those that download ahead of their window, whom to look at now; and how many of all take no place. */
  ahead?: readonly Ahead[];
  awaiting?: number;
  unrestored: readonly Unrestored[];
  /** How many devices on their way have had their deadline put off, and why the first of them. */
  held?: { devices: number; because: string };
  /** What the guards have compared so far. */
  guards?: readonly GuardSums[];
  /** Why the release may not be handed out any more, if so. */
  releaseUnusable?: string;
  /** Where the plan names strata: all stages together, and the canary alone. */
  strata?: { all: readonly StratumTally[]; canary: readonly StratumTally[] };
  approvals?: readonly Approval[];
  /** What holds for the whole fleet. */
  freezes?: readonly FreezePeriod[];
  policyWindows?: Rollout["windows"];
  /** How many more devices it may take of the fleet's shared places; no bound where left out. */
  sharedPlaces?: number;
  /** Offers in the last minute, and when the first of them is a minute old. */
  recentOffers?: { count: number; freeAt: number };
  /** Rollouts that must complete first and have not. */
  unmetRollouts?: readonly string[];
};

export type FreezePeriod = { from: number; to: number; reason: string };

export const inFlight = ({ stages, restores }: Picture): number =>
  stages.reduce((sum, stage) => sum + stage.inFlight, restores.inFlight);

/** Those of them that take a place: who waits for its window with nothing to do takes none. */
const placed = (picture: Picture): number => inFlight(picture) - (picture.awaiting ?? 0);

/** How many devices may still be offered the release now, and which bound is the tightest. */
export function placesLeft(rollout: Rollout, picture: Picture): { places: number; bound: BlockCode; until?: number } {
  const { sharedPlaces, recentOffers } = picture;
  const places = rollout.atOnce - placed(picture);
  const bounds: { places: number; bound: BlockCode; until?: number }[] = [{ places, bound: "at_once_reached" }];
  // A way back waits for no other rollout and no pace: the devices that wait for it run a release that was found bad.
  if (rollout.phase === "running" || rollout.phase === "paused" || rollout.phase === "awaiting_approval") {
    if (sharedPlaces !== undefined) bounds.push({ places: sharedPlaces, bound: "shared_places_reached" });
    if (rollout.perMinute !== undefined && recentOffers !== undefined)
      bounds.push({ places: rollout.perMinute - recentOffers.count, bound: "rate_reached", until: recentOffers.freeAt });
  }
  const tightest = bounds.reduce((least, one) => (one.places < least.places ? one : least));
  return { ...tightest, places: Math.max(0, tightest.places) };
}
