import { z } from "zod";
import { deploymentReason, deploymentState } from "../device/deployment.ts";
import { isoDuration, money, pageOf, pageQuery, share, timestamp } from "./common.ts";
import { haltReport } from "./halt-report.ts";
import { operation } from "./operation.ts";
import { rolloutPlan, rolloutRequest, updateSteps } from "./rollout-plan.ts";
import { blockCode, exclusionCode } from "./update-status.ts";

export const rolloutPhase = z.enum([
  "awaiting_approval",
  "running",
  "paused",
  "halted",
  "rolling_back",
  "rolled_back",
  "completed",
  "cancelled",
]);
export type RolloutPhase = z.infer<typeof rolloutPhase>;

export const stageProgress = z.object({
  index: z.int(),
  share,
  devices: z.int(),
  state: z.enum(["waiting", "running", "soaking", "passed", "halted"]),
  counts: z.record(deploymentState, z.int()).or(z.record(z.string(), z.int())),
  startedAt: timestamp.optional(),
  passedAt: timestamp.optional(),
});
export type StageProgress = z.infer<typeof stageProgress>;

/** What keeps a whole rollout from making offers although it is not paused, or one of its devices from its turn. */
export const updateBlock = z.object({ code: blockCode, because: z.string(), until: timestamp.optional() });

export const approval = z.object({ by: z.string(), at: timestamp, comment: z.string().optional() });

export const rollout = z.object({
  id: z.string(),
  release: z.object({ id: z.string(), name: z.string(), version: z.string() }),
  plan: rolloutPlan,
  phase: rolloutPhase,
  /** Why it is in this phase, as a sentence. */
  because: z.string(),
  since: timestamp,
  targets: z.int(),
  stages: z.array(stageProgress),
  counts: z.record(z.string(), z.int()),
  /** Devices that the release left failed or silent. */
  harmed: z.int(),
  /** Devices brought back to their last known good release after a halt. */
  restored: z.int(),
  createdBy: z.string(),
  createdAt: timestamp,
  endedAt: timestamp.optional(),
  /** SHA-256 of the plan, the release's bytes included: what an approval is for. */
  planHash: z.string(),
  approvals: z.object({ needed: z.int(), given: z.array(approval) }),
  /** How many devices have the release ready and wait for their window, where the plan has them download ahead. */
  awaitingWindow: z.int().optional(),
  /** Why it makes no offers now, although it goes on. */
  blocked: updateBlock.optional(),
  /** Why it may go on during a freeze, where somebody said so. */
  freezeOverride: z.string().optional(),
});
export type Rollout = z.infer<typeof rollout>;

/** A step of an update on one device: since when, and until when it may take or had taken. `window`: it waited for its window with the download done. */
export const deploymentStep = z.object({
  step: z.enum([...updateSteps, "window"]),
  from: timestamp,
  /** When it was done. */
  to: timestamp.optional(),
  /** When its time is over; of the step that goes on. */
  deadlineAt: timestamp.optional(),
});
export type DeploymentStep = z.infer<typeof deploymentStep>;

export const deployment = z.object({
  id: z.string(),
  rollout: z.string(),
  device: z.string(),
  release: z.string(),
  version: z.string(),
  stage: z.int(),
  state: deploymentState,
  reason: deploymentReason.optional(),
  detail: z.string().optional(),
  progress: z.number().optional(),
  log: z.array(z.string()),
  rollback: z.boolean(),
  /** Which try it is, from 1. */
  attempt: z.int(),
  /** Another try has taken its place: it failed, or what it booted was a stepping stone on the way to the release. */
  retried: z.boolean(),
  stratum: z.string().optional(),
  /** Why it was not offered when the engine last looked. */
  blocked: updateBlock.optional(),
  offeredAt: timestamp.optional(),
  /** When the step that goes on must be done. */
  deadlineAt: timestamp.optional(),
  /** In order, as far as the device has come. */
  steps: z.array(deploymentStep).default([]),
  endedAt: timestamp.optional(),
  updatedAt: timestamp,
});
export type Deployment = z.infer<typeof deployment>;

/** One decision of the rollout's engine, with the picture it was made from. */
export const rolloutDecision = z.object({
  at: timestamp,
  decision: z.string(),
  because: z.string(),
  stage: z.int().optional(),
  evidence: z.record(z.string(), z.json()).optional(),
});
export type RolloutDecision = z.infer<typeof rolloutDecision>;

/** A dry run. `excluded` counts each device once, by the first reason that holds. */
export const rolloutPreview = z.object({
  plan: rolloutPlan,
  planHash: z.string(),
  targets: z.int(),
  stages: z.array(
    z.object({
      share,
      devices: z.int(),
      /** How long the stage takes by the estimate, its soak included. */ takes: isoDuration,
      /** The most devices that can have met the release when the first of this stage is found to have failed. */ worstCaseExposed:
        z.int(),
    }),
  ),
  strata: z.array(z.object({ stratum: z.string(), devices: z.int(), canary: z.int() })),
  bytes: z.int(),
  /** What sending them costs, where the fleet's policy has a price. */
  cost: money.optional(),
  excluded: z.array(z.object({ code: exclusionCode, because: z.string(), devices: z.int() })),
  /** Devices that come to the release over stepping stones, which they boot one after the other first; `waitsFor`: rollouts of stones that must complete before. */
  detours: z.array(z.object({ over: z.array(z.string()), devices: z.int(), waitsFor: z.array(z.string()).optional() })).default([]),
  worstCaseExposed: z.int(),
  estimate: z.object({ takes: isoDuration, endsAt: timestamp, assumptions: z.array(z.string()) }),
  /** What would keep it from making offers if it began now. */
  blocked: updateBlock.optional(),
  /** Its last rollout was halted or taken back: which, when and why. */
  takenBack: z.object({ rollout: z.string(), at: timestamp, because: z.string() }).optional(),
  approvalsNeeded: z.int(),
});
export type RolloutPreview = z.infer<typeof rolloutPreview>;

/** Every pass of the engine decided again from what it saw, and compared (docs/operate/rollouts.md). */
export const rolloutReplay = z.object({
  /** Passes that come out the same, and those that do not. */
  equal: z.int(),
  different: z.int(),
  /** Judgements of the guards whose rank still follows from the stored values, and those whose does not. */
  comparisons: z.object({ equal: z.int(), different: z.int() }),
  verdicts: z.array(
    z.object({
      at: timestamp,
      /** What was decided; `devices` is 0 where it was about the rollout itself. */
      decisions: z.array(z.object({ decision: z.string(), devices: z.int() })),
      verdict: z.enum(["equal", "different"]),
      difference: z.string().optional(),
    }),
  ),
  /** What people decided: there is nothing to decide again. */
  byPeople: z.array(z.object({ at: timestamp, decision: z.string(), because: z.string() })),
});
export type RolloutReplay = z.infer<typeof rolloutReplay>;

const byId = z.object({ id: z.string() });
const why = z.strictObject({ reason: z.string().min(1).max(500) });

export const rolloutOperations = {
  listRollouts: operation({
    name: "listRollouts",
    method: "GET",
    path: "/rollouts",
    summary: "Rollouts, newest first.",
    permission: "rollouts.read",
    query: pageQuery,
    response: pageOf(rollout),
  }),
  getRollout: operation({
    name: "getRollout",
    method: "GET",
    path: "/rollouts/:id",
    summary: "One rollout with its stages.",
    permission: "rollouts.read",
    params: byId,
    response: rollout,
  }),
  previewRollout: operation({
    name: "previewRollout",
    method: "POST",
    path: "/rollout-previews",
    summary: "A dry run: who would be updated in which stage, and the most devices that a bad release could harm in the canary.",
    permission: "rollouts.read",
    body: rolloutRequest,
    response: rolloutPreview,
  }),
  startRollout: operation({
    name: "startRollout",
    method: "POST",
    path: "/rollouts",
    summary: "Starts a staged rollout.",
    permission: "rollouts.write",
    body: rolloutRequest,
    response: rollout,
    status: 201,
  }),
  approveRollout: operation({
    name: "approveRollout",
    method: "POST",
    path: "/rollouts/:id/approve",
    summary: "Approves a rollout's plan, bound to the plan's hash. Not by its author; a person approves once.",
    permission: "rollouts.approve",
    params: byId,
    body: z.strictObject({ planHash: z.string().regex(/^[0-9a-f]{64}$/), comment: z.string().max(500).optional() }),
    response: rollout,
  }),
  cancelRollout: operation({
    name: "cancelRollout",
    method: "POST",
    path: "/rollouts/:id/cancel",
    summary: "Ends a rollout without a way back: devices on their way are told to stop, those that took the release keep it.",
    permission: "rollouts.write",
    params: byId,
    body: why,
    response: rollout,
  }),
  overrideFreeze: operation({
    name: "overrideFreeze",
    method: "POST",
    path: "/rollouts/:id/override-freeze",
    summary: "Lets one rollout go on during a freeze, with the reason, audited.",
    permission: "rollouts.govern",
    params: byId,
    body: why,
    response: rollout,
  }),
  pauseRollout: operation({
    name: "pauseRollout",
    method: "POST",
    path: "/rollouts/:id/pause",
    summary: "No new offers; devices that already have one go on.",
    permission: "rollouts.write",
    params: byId,
    body: why,
    response: rollout,
  }),
  resumeRollout: operation({
    name: "resumeRollout",
    method: "POST",
    path: "/rollouts/:id/resume",
    summary: "Goes on after a pause.",
    permission: "rollouts.write",
    params: byId,
    body: why,
    response: rollout,
  }),
  rollBackRollout: operation({
    name: "rollBackRollout",
    method: "POST",
    path: "/rollouts/:id/rollback",
    summary: "Halts and brings every device that took the release back to its last known good one.",
    permission: "rollouts.write",
    params: byId,
    body: why,
    response: rollout,
  }),
  listDeployments: operation({
    name: "listDeployments",
    method: "GET",
    path: "/rollouts/:id/deployments",
    summary: "The rollout on each device.",
    permission: "rollouts.read",
    params: byId,
    query: pageQuery.extend({ state: z.string().optional(), harmed: z.enum(["true", "false"]).optional() }),
    response: pageOf(deployment),
  }),
  listDeviceDeployments: operation({
    name: "listDeviceDeployments",
    method: "GET",
    path: "/devices/:id/deployments",
    summary: "The updates of one device, newest first.",
    permission: "rollouts.read",
    params: byId,
    response: z.object({ items: z.array(deployment) }),
  }),
  replayRollout: operation({
    name: "replayRollout",
    method: "GET",
    path: "/rollouts/:id/replay",
    summary: "Decides everything again from the stored evidence, by the same functions, and says whether it comes out the same.",
    permission: "rollouts.read",
    params: byId,
    response: rolloutReplay,
  }),
  getHaltReport: operation({
    name: "getHaltReport",
    method: "GET",
    path: "/rollouts/:id/halt-report",
    summary: "Who, when, why, how many, what crashed, what the gates saw, and what to do next; with the same as Markdown.",
    permission: "rollouts.read",
    params: byId,
    response: haltReport.extend({ markdown: z.string() }),
  }),
  getRolloutReport: operation({
    name: "getRolloutReport",
    method: "GET",
    path: "/rollouts/:id/report",
    summary: "What happened and why: every decision with its evidence, reasons of failure, harmed devices.",
    permission: "rollouts.read",
    params: byId,
    response: z.object({
      rollout,
      decisions: z.array(rolloutDecision),
      reasons: z.array(z.object({ reason: z.string(), devices: z.int() })),
      harmed: z.array(
        z.object({
          device: z.string(),
          state: deploymentState,
          reason: z.string().optional(),
          detail: z.string().optional(),
          /** When it was heard again after all, and with what. */ returnedAt: timestamp.optional(),
          returnedWith: z.enum(["new", "old"]).optional(),
        }),
      ),
      /** Devices that took the release and are not back on their last known good one, with why. */ notRestored: z.array(
        z.object({ device: z.string(), state: deploymentState, reason: z.string().optional(), detail: z.string().optional() }),
      ),
    }),
  }),
};
