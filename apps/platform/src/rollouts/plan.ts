import type { DeploymentReason, DeploymentState } from "@tenfold/contracts";
import { type GateEvidence, judgeGates, judgeRestores } from "./gate.ts";
import { type Ending, isHalted, type Rollout, type StageTally, type Tally } from "./rollout.ts";

/** A deployment that is waiting for its offer, with what its device is doing now. */
export type Waiting = {
  deployment: string;
  device: string;
  online: boolean;
  pointless?: { reason: DeploymentReason; detail: string };
};
/** A deployment whose deadline has passed. */
export type Overdue = {
  deployment: string;
  device: string;
  stage: number;
  rollback: boolean;
  state: DeploymentState;
  onlineAtOffer: boolean;
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
  unrestored: readonly Unrestored[];
  /** Why the release may not be handed out any more, if so. */
  releaseUnusable?: string;
};

export type Step =
  | { do: "offer"; deployment: string; device: string; online: boolean; deadlineAt: number }
  | { do: "skip"; deployment: string; device: string; reason: DeploymentReason; detail: string }
  | ({ do: "expire"; deployment: string; device: string } & Ending)
  | { do: "soak"; stage: number; until: number }
  | { do: "pass_stage"; stage: number; because: string; evidence: GateEvidence }
  | { do: "begin_stage"; stage: number }
  | { do: "pause"; because: string }
  | { do: "halt"; because: string; onHalt: "roll_back" | "stop"; evidence: GateEvidence }
  | { do: "plan_restore"; device: string; undoes: string; attempt: number; target: Target }
  | { do: "cannot_restore"; device: string; undoes: string; attempt: number; reason: DeploymentReason; detail: string }
  | { do: "stop_restoring"; because: string; evidence: Record<string, number> }
  | { do: "finish"; as: "completed" | "rolled_back" | "halted" | "cancelled"; because: string };

/** What a rollout should do next. Pure: the same picture always gives the same steps, and steps leave nothing to decide. */
export function planRollout(rollout: Rollout, picture: Picture, now: number): Step[] {
  const expired = picture.overdue.map((overdue) => expire(overdue, rollout));
  const after = withExpired(picture, expired);
  switch (rollout.phase) {
    case "running":
    case "paused":
      return [...expired, ...forward(rollout, after, now)];
    case "rolling_back":
      return [...expired, ...bringBack(rollout, after, now)];
    case "halted":
    case "cancelled":
      return [...expired, ...settle(rollout.phase, after)];
    case "rolled_back":
    case "completed":
      return expired;
  }
}

type Expire = Extract<Step, { do: "expire" }>;

/** Silence is an outcome. Only a device that could not have heard the offer is let off. */
function expire({ deployment, device, state, rollback, onlineAtOffer }: Overdue, rollout: Rollout): Expire {
  return { do: "expire", deployment, device, ...ending() };

  function ending(): Ending {
    const told = isHalted(rollout.phase) && !rollback;
    if (state !== "offered") {
      const rebooted = state === "rebooting" || state === "validating";
      return rebooted
        ? {
            to: "unresponsive",
            reason: "silent_after_reboot",
            detail: "It rebooted into the update and was not heard with it before its deadline.",
          }
        : {
            to: "unresponsive",
            reason: "silent_during_update",
            detail: `It was last heard ${state} and not again before its deadline.`,
          };
    }
    if (told) return { to: "cancelled", reason: "rollout_halted", detail: "It had not begun when the rollout halted." };
    if (onlineAtOffer)
      return {
        to: "unresponsive",
        reason: "silent_after_offer",
        detail: "It was online when the release was offered and did not take it before its deadline.",
      };
    return {
      to: "skipped",
      reason: "silent_after_offer",
      detail: "It was offline when the release was offered and did not come back before its deadline.",
    };
  }
}

/** The picture as it will be once the expired deployments are recorded, so that the gates judge what is known now. */
function withExpired(picture: Picture, expired: readonly Expire[]): Picture {
  const stages = picture.stages.map((stage) => ({ ...stage }));
  const restores = { ...picture.restores };
  picture.overdue.forEach((overdue, i) => {
    const tally = overdue.rollback ? restores : stages[overdue.stage];
    const to = expired[i]?.to;
    if (tally === undefined || to === undefined) return;
    tally.inFlight -= 1;
    tally[to === "unresponsive" ? "harmed" : to] += 1;
  });
  return { ...picture, stages, restores };
}

function forward(rollout: Rollout, picture: Picture, now: number): Step[] {
  const stage = picture.stages[rollout.stage];
  if (stage === undefined) return [];
  const verdict = judgeGates({ stage, stages: picture.stages, haltAbove: rollout.haltAbove });
  if (verdict.is === "halt") return [{ do: "halt", because: verdict.because, onHalt: rollout.onHalt, evidence: verdict.evidence }];
  if (rollout.phase === "paused") return [];
  if (picture.releaseUnusable !== undefined) return [{ do: "pause", because: picture.releaseUnusable }];
  if (stage.state === "waiting") return [{ do: "begin_stage", stage: stage.index }];
  if (stage.queued > 0) return offers(rollout, picture, now);
  if (stage.inFlight > 0) return [];
  return endStage({ rollout, picture, stage, evidence: verdict.evidence }, now);
}

/** Offers as many as fit beside those that are on their way. */
function offers(rollout: Rollout, picture: Picture, now: number): Step[] {
  const free = Math.max(0, rollout.atOnce - inFlight(picture));
  return picture.waiting
    .slice(0, free)
    .map(({ deployment, device, online, pointless }) =>
      pointless
        ? { do: "skip", deployment, device, ...pointless }
        : { do: "offer", deployment, device, online, deadlineAt: now + rollout.deadlineMs },
    );
}

type Ended = { rollout: Rollout; picture: Picture; stage: StageTally; evidence: GateEvidence };

/** Every device of the stage has an end. It passes once it has stayed healthy for the soak after its last verified boot. */
function endStage({ rollout, picture, stage, evidence }: Ended, now: number): Step[] {
  const last = stage.index === picture.stages.length - 1;
  const proven = picture.stages.some(({ succeeded }) => succeeded > 0);
  if (!proven && !last && rollout.waivedStage !== stage.index) {
    return [
      {
        do: "pause",
        because: `Stage ${stage.index + 1} ended without one verified boot, so nothing is known about the release. Resume to go on all the same.`,
      },
    ];
  }
  const until = stage.lastVerifiedAt === undefined ? now : stage.lastVerifiedAt + rollout.soakMs;
  if (now < until) return stage.state === "soaking" ? [] : [{ do: "soak", stage: stage.index, until }];
  const because = `${stage.succeeded} of ${stage.devices} devices booted the release and were verified; ${stage.harmed} failed, ${stage.skipped} skipped.`;
  const passed: Step = { do: "pass_stage", stage: stage.index, because, evidence };
  if (!last) return [passed, { do: "begin_stage", stage: stage.index + 1 }];
  const total = picture.stages.reduce((sum, { succeeded }) => sum + succeeded, 0);
  return [passed, { do: "finish", as: "completed", because: `Every stage passed; ${total} devices run the release.` }];
}

function bringBack(rollout: Rollout, picture: Picture, now: number): Step[] {
  const planned = picture.unrestored.map(wayBack);
  const verdict = judgeRestores(picture.restores);
  if (verdict.is === "halt") return [{ do: "stop_restoring", because: verdict.because, evidence: verdict.evidence }];
  if (planned.length > 0 || picture.restores.queued > 0) return [...planned, ...offers(rollout, picture, now)];
  if (inFlight(picture) > 0) return [];
  const { succeeded, devices } = picture.restores;
  return [
    {
      do: "finish",
      as: "rolled_back",
      because: `${succeeded} of ${devices} devices that had taken the release are back on their last known good one.`,
    },
  ];
}

function wayBack({ deployment, device, attempt, previous }: Unrestored): Step {
  if (previous !== undefined) return { do: "plan_restore", device, undoes: deployment, attempt, target: previous };
  const detail = "No release is registered for what it ran before, so there is nothing to offer.";
  return { do: "cannot_restore", device, undoes: deployment, attempt, reason: "rollback_target_unknown", detail };
}

function settle(phase: "halted" | "cancelled", picture: Picture): Step[] {
  return inFlight(picture) > 0 ? [] : [{ do: "finish", as: phase, because: "" }];
}

const inFlight = ({ stages, restores }: Picture): number => stages.reduce((sum, stage) => sum + stage.inFlight, restores.inFlight);

/** When something will happen by itself: the next deadline or the end of the soak. Undefined when only a message can change things. */
export function nextLookAt(
  rollout: Rollout,
  { picture, nextDeadlineAt }: { picture: Picture; nextDeadlineAt: number | undefined },
): number | undefined {
  const stage = picture.stages[rollout.stage];
  const soakEnds =
    rollout.phase === "running" && stage?.state === "soaking" && stage.lastVerifiedAt !== undefined
      ? stage.lastVerifiedAt + rollout.soakMs
      : undefined;
  const times = [soakEnds, nextDeadlineAt].filter((time) => time !== undefined);
  return times.length === 0 ? undefined : Math.min(...times);
}
