import type { DeploymentReason, DeploymentState, RolloutPhase, StageProgress } from "@tenfold/contracts";

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
  soakMs: number;
  atOnce: number;
  onHalt: "roll_back" | "stop";
};

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

export type Ending = { to: "unresponsive" | "skipped" | "cancelled"; reason: DeploymentReason; detail: string };
