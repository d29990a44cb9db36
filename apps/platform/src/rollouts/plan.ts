import type { DeploymentReason } from "@tenfold/contracts";
import { validApprovals } from "./approvals.ts";
import type { Block } from "./conditions.ts";
import { type Expire, expire } from "./expiry.ts";
import { type GateEvidence, judgeGates, judgeRestores } from "./gate.ts";
import { type Held, holdOf } from "./guards/darkness.ts";
import { type InstallStep, installs, type Recall, waitOn } from "./installs.ts";
import { type Turn, type Waiting, walkLine } from "./line.ts";
import { inFlight, type Overdue, type Picture, placesLeft, type Target, type Unrestored } from "./picture.ts";
import type { Rollout, StageTally } from "./rollout.ts";
import { standsStill } from "./standstill.ts";
import { deadlineOf } from "./steps.ts";
import { judgeStrata, unprovenStrata } from "./strata.ts";

export type Step =
  | {
      do: "offer";
      deployment: string;
      device: string;
      online: boolean;
      deadlineAt: number;
      finalAt?: number;
      via?: Target;
      ahead?: NonNullable<Waiting["ahead"]>;
    }
  | { do: "skip"; deployment: string; device: string; reason: DeploymentReason; detail: string }
  | { do: "step_aside"; deployment: string; device: string; block: Block; lookAgainAt: number }
  | { do: "approve"; because: string }
  | Expire
  | Held
  | InstallStep
  | { do: "soak"; stage: number; until: number }
  | { do: "pass_stage"; stage: number; because: string; evidence: GateEvidence }
  | { do: "begin_stage"; stage: number }
  | { do: "pause"; because: string }
  | { do: "halt"; because: string; onHalt: "roll_back" | "stop"; evidence: GateEvidence | Record<string, number> }
  | { do: "plan_restore"; device: string; undoes: string; attempt: number; target: Target }
  | { do: "cannot_restore"; device: string; undoes: string; attempt: number; reason: DeploymentReason; detail: string }
  | { do: "stop_restoring"; because: string; evidence: Record<string, number> }
  | { do: "finish"; as: "completed" | "rolled_back" | "halted" | "cancelled"; because: string };

/** What a rollout should do next. Pure: the same picture always gives the same steps, and steps leave nothing to decide. */
export function planRollout(rollout: Rollout, picture: Picture, now: number): Step[] {
  const expired = picture.overdue.map(
    (overdue) => held(overdue, rollout, now) ?? waitOn(overdue, rollout, now) ?? expire(overdue, rollout, now),
  );
  const after = withExpired(picture, expired);
  switch (rollout.phase) {
    case "awaiting_approval":
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

/** The time of a device that waited for its window begins when it was let install. Until then it may be dark around it. */
const held = (overdue: Overdue, rollout: Rollout, now: number): Held | undefined =>
  overdue.awaits ? undefined : holdOf({ ...overdue, offeredAt: overdue.goAt ?? overdue.offeredAt }, rollout, now);

/** The picture as it will be once the expired deployments are recorded, so that the gates judge what is known now. */
function withExpired({ ahead, ...picture }: Picture, expired: readonly (Expire | Held | Recall)[]): Picture {
  const stages = picture.stages.map((stage) => ({ ...stage }));
  const restores = { ...picture.restores };
  const after = { ...picture, stages, restores };
  picture.overdue.forEach((overdue, i) => {
    const tally = overdue.rollback ? restores : stages[overdue.stage];
    const step = expired[i];
    if (tally === undefined || step?.do !== "expire") return;
    tally.inFlight -= 1;
    if (overdue.awaits && after.awaiting !== undefined) after.awaiting -= 1;
    if (step.retry) tally.queued += 1;
    else tally[step.to === "unresponsive" || step.to === "failed" ? "harmed" : step.to] += 1;
  });
  const over = new Set(picture.overdue.map(({ deployment }) => deployment));
  const left = ahead === undefined ? {} : { ahead: ahead.filter(({ deployment }) => !over.has(deployment)) };
  const holds = expired.filter((step) => step.do === "hold" && step.dark === "still");
  const [hold] = holds;
  if (hold?.do !== "hold") return { ...after, ...left };
  return {
    ...after,
    ...left,
    held: { devices: Math.max(picture.held?.devices ?? 0, holds.length), because: hold.because },
  };
}

function forward(rollout: Rollout, picture: Picture, now: number): Step[] {
  const stage = picture.stages[rollout.stage];
  if (stage === undefined) return [];
  const halt = haltOf(rollout, picture, stage);
  if (halt.is === "halt") return [halt.step];
  if (rollout.phase === "awaiting_approval") return approve(rollout, picture);
  if (rollout.phase === "paused") return [];
  const lost = lostApproval(rollout, picture);
  if (lost !== undefined) return [{ do: "pause", because: lost }];
  if (picture.releaseUnusable !== undefined) return [{ do: "pause", because: picture.releaseUnusable }];
  if (stage.state === "waiting") return [{ do: "begin_stage", stage: stage.index }];
  const allowed = installs(rollout, picture, now);
  if (stage.queued > 0)
    return withinGates([...allowed, ...offers(rollout, picture, { now, beside: allowed })], { rollout, picture, stage });
  if (stage.inFlight > 0) return allowed;
  return endStage({ rollout, picture, stage, evidence: halt.evidence }, now);
}

/** Whoever is skipped takes no part, so that the harmed are a larger share of the rest: where that closes a gate, nothing is offered beside it. */
function withinGates(
  steps: Step[],
  { rollout, picture, stage }: { rollout: Rollout; picture: Picture; stage: StageTally },
): Step[] {
  const skips = steps.filter((step) => step.do === "skip").length;
  const after = { ...stage, queued: stage.queued - skips, skipped: stage.skipped + skips };
  const stages = picture.stages.map((one) => (one === stage ? after : one));
  if (skips === 0 || haltOf(rollout, { ...picture, stages }, after).is === "green") return steps;
  return steps.filter((step) => step.do !== "offer" && step.do !== "let_install");
}

/** All gates: the plan's share, the sequential one over all devices, and the same in each stratum. Any of them halts. */
function haltOf(
  rollout: Rollout,
  picture: Picture,
  stage: StageTally,
): { is: "green"; evidence: GateEvidence } | { is: "halt"; step: Step } {
  const { haltAbove, onHalt, guards: guardRule } = rollout;
  const strata = picture.strata === undefined ? "none" : "strata";
  // Who waits for its window has not met the release yet.
  const { awaiting = 0 } = picture;
  const stages = picture.stages.map((one) => (one.index === stage.index ? { ...one, inFlight: one.inFlight - awaiting } : one));
  const verdict = judgeGates({ stage, stages, haltAbove, guardRule, guards: picture.guards ?? [], strata });
  if (verdict.is === "halt")
    return { is: "halt", step: { do: "halt", because: verdict.because, onHalt, evidence: verdict.evidence } };
  const stratum = judgeStrata(picture.strata?.all ?? []);
  if (stratum) return { is: "halt", step: { do: "halt", onHalt, ...stratum } };
  return { is: "green", evidence: verdict.evidence };
}

function approve(rollout: Rollout, { approvals = [] }: Picture): Step[] {
  const valid = validApprovals(approvals, rollout);
  if (valid.length < rollout.approvalsNeeded) return [];
  const names = valid.map(({ name }) => name).join(", ");
  return [{ do: "approve", because: names === "" ? "Nobody has to approve it." : `Approved by ${names}.` }];
}

/** An approval is for one plan: where that is not what stands there any more, nothing is offered on its word. */
function lostApproval(rollout: Rollout, { approvals = [] }: Picture): string | undefined {
  const valid = validApprovals(approvals, rollout).length;
  if (valid >= rollout.approvalsNeeded) return undefined;
  return `Its plan is not the one that was approved: ${valid} of ${rollout.approvalsNeeded} approvals are for it.`;
}

/** Offers to as many as there are places for; whoever is blocked steps aside. */
function offers(
  rollout: Rollout,
  picture: Picture,
  { now, beside = [] }: { now: number; beside?: readonly InstallStep[] },
): Step[] {
  if (standsStill(rollout, picture, now) !== undefined) return [];
  const taken = beside.filter((step) => step.do === "let_install").length;
  const places = Math.max(0, placesLeft(rollout, picture).places - taken);
  const turns = walkLine(picture.waiting, { places, giveUpAfterMs: rollout.giveUpAfterMs }, now);
  const finalAt = now + rollout.deadlineMs;
  const deadlineAt = deadlineOf("download", { timeouts: rollout.timeouts, finalAt }, now);
  const times = finalAt === deadlineAt ? { deadlineAt } : { deadlineAt, finalAt };
  return turns.flatMap((turn, i) => turnStep(turn, picture.waiting[i], times));
}

function turnStep(turn: Turn, waiting: Waiting | undefined, times: { deadlineAt: number; finalAt?: number }): Step[] {
  if (waiting === undefined) return [];
  const { deployment, device, online, via, ahead } = waiting;
  switch (turn.is) {
    case "offer":
      return [{ do: "offer", deployment, device, online, ...times, ...(via ? { via } : {}), ...(ahead ? { ahead } : {}) }];
    case "skip":
      return [{ do: "skip", deployment, device, reason: turn.reason, detail: turn.detail }];
    case "blocked":
      return [{ do: "step_aside", deployment, device, block: turn.block, lookAgainAt: turn.lookAgainAt }];
    case "waits":
      return [];
  }
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
  const unproven = stage.index === 0 && !last && rollout.waivedStage !== 0 ? unprovenStrata(picture.strata?.canary ?? []) : [];
  if (unproven.length > 0) {
    const because = `The canary ended without one verified boot of a device with ${unproven.join(" or ")}. Resume to go on all the same.`;
    return [{ do: "pause", because }];
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
  if (planned.length > 0 || picture.restores.queued > 0) return [...planned, ...offers(rollout, picture, { now })];
  if (inFlight(picture) > 0) return [];
  const { succeeded, devices } = picture.restores;
  return [
    {
      do: "finish",
      as: "rolled_back",
      because:
        devices === 1
          ? `The one device that had taken the release is ${succeeded === 1 ? "" : "not "}back on its last known good one.`
          : `${succeeded} of ${devices} devices that had taken the release are back on their last known good one.`,
    },
  ];
}

function wayBack({ deployment, device, attempt, previous }: Unrestored): Step {
  if (previous !== undefined) return { do: "plan_restore", device, undoes: deployment, attempt, target: previous };
  const detail = "No release that it ran before is registered and was not taken back itself, so there is nothing to offer.";
  return { do: "cannot_restore", device, undoes: deployment, attempt, reason: "rollback_target_unknown", detail };
}

function settle(phase: "halted" | "cancelled", picture: Picture): Step[] {
  return inFlight(picture) > 0 ? [] : [{ do: "finish", as: phase, because: "" }];
}

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
  const rateFrees = rollout.perMinute === undefined || stage?.queued === 0 ? undefined : picture.recentOffers?.freeAt;
  const times = [soakEnds, nextDeadlineAt, rateFrees].filter((time) => time !== undefined);
  return times.length === 0 ? undefined : Math.min(...times);
}
