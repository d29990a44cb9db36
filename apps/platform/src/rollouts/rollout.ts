import { minutes, parseDuration } from "@tenfold/base";
import type {
  DeploymentReason,
  DeploymentState,
  MaintenanceWindow,
  OfferConditions,
  RolloutPhase,
  RolloutPlan,
  StageProgress,
} from "@tenfold/contracts";
import { planHashOf } from "./approvals.ts";
import type { GuardRule } from "./guards/evidence.ts";
import { type Retries, type Retry, retriesOf } from "./retries.ts";
import { type Timeouts, timeoutsOf } from "./steps.ts";

/** What the engine goes by: the plan with its durations read. All times and lengths in ms. */
export type Rollout = {
  id: string;
  phase: RolloutPhase;
  /** The stage that is being worked on. */
  stage: number;
  /** The stage from which an operator let it go on although nothing had been proven. */
  waivedStage?: number;
  haltAbove: number;
  deadlineMs: number;
  /** What each step may take of it. */
  timeouts?: Timeouts;
  soakMs: number;
  atOnce: number;
  onHalt: "roll_back" | "stop";
  guards: GuardRule;
  perMinute?: number;
  giveUpAfterMs: number;
  windows: readonly MaintenanceWindow[];
  /** Devices download before their window and install inside it. */
  ahead?: true;
  conditions: OfferConditions;
  retries: Retries;
  /** Who started it, and how many others must approve this very plan. */
  author: string;
  planHash: string;
  approvalsNeeded: number;
  /** Why it may go on during a freeze, where somebody said so. */
  freezeOverride?: string;
};

/** What is written down of a rollout, as far as the engine goes by it. */
export type RolloutRecord = Pick<
  Rollout,
  "id" | "phase" | "stage" | "waivedStage" | "author" | "approvalsNeeded" | "freezeOverride"
> & {
  plan: RolloutPlan;
  release: { sha256: string };
};

/** The part that the planner goes by. The plan's durations were read when it was taken in. */
export function engineOf({ plan, release, ...rest }: RolloutRecord): Rollout {
  const { id, phase, stage, waivedStage, author, approvalsNeeded, freezeOverride } = rest;
  const { haltAbove, atOnce, onHalt, perMinute, windows, conditions } = plan;
  const timeouts = timeoutsOf(plan.stepTimeouts);
  return {
    ...{ id, phase, stage, author, approvalsNeeded, haltAbove, atOnce, onHalt, windows, conditions },
    guards: { watch: plan.guards.watch, falseHalts: plan.guards.falseHalts, least: plan.guards.least },
    deadlineMs: lengthOf(plan.deadline),
    soakMs: lengthOf(plan.soak),
    giveUpAfterMs: lengthOf(plan.giveUpAfter),
    retries: retriesOf(plan.retries),
    // Only an approval asks for it.
    planHash: approvalsNeeded > 0 ? planHashOf(plan, release.sha256) : "",
    ...(waivedStage === undefined ? {} : { waivedStage }),
    ...(perMinute === undefined ? {} : { perMinute }),
    ...(timeouts ? { timeouts } : {}),
    ...(plan.download === "ahead" ? { ahead: true } : {}),
    ...(freezeOverride === undefined ? {} : { freezeOverride }),
  };
}

const lengthOf = (duration: string): number => parseDuration(duration) ?? minutes(0);

/** How many deployments stand where. */
export type Tally = {
  devices: number;
  queued: number;
  inFlight: number;
  succeeded: number;
  /** Failed, rolled back by themselves, or silent. */
  harmed: number;
  skipped: number;
  cancelled: number;
  lastVerifiedAt?: number;
};

export type StageTally = Tally & { index: number; state: StageProgress["state"]; startedAt?: number };

const inFlightStates = [
  "offered",
  "downloading",
  "downloaded",
  "verified",
  "installing",
  "rebooting",
  "validating",
] as const satisfies DeploymentState[];
const harmedStates = ["failed", "rolled_back", "unresponsive"] as const satisfies DeploymentState[];

export const isInFlight = (state: DeploymentState): boolean => (inFlightStates as readonly DeploymentState[]).includes(state);
export const isHarmed = (state: DeploymentState): boolean => (harmedStates as readonly DeploymentState[]).includes(state);

/** Phases in which nothing may be offered but the way back. */
export const isHalted = (phase: RolloutPhase): boolean =>
  phase === "halted" || phase === "rolling_back" || phase === "rolled_back" || phase === "cancelled";

export type Firmware = { version: string; hash?: string };

export const emptyTally = (): Tally => ({ devices: 0, queued: 0, inFlight: 0, succeeded: 0, harmed: 0, skipped: 0, cancelled: 0 });

/** Which column of a tally a state counts in. */
export function columnOf(state: DeploymentState): Exclude<keyof Tally, "devices" | "lastVerifiedAt"> {
  if (isInFlight(state)) return "inFlight";
  if (isHarmed(state)) return "harmed";
  return state === "queued" || state === "succeeded" || state === "skipped" ? state : "cancelled";
}

/** Devices that took the offer or may be taking it now. */
export const exposedOf = (tally: Tally): number => tally.inFlight + tally.succeeded + tally.harmed;

export type Ending = {
  to: "unresponsive" | "failed" | "skipped" | "cancelled";
  reason: DeploymentReason;
  detail: string;
  /** The try that takes its place. */
  retry?: Retry;
};
