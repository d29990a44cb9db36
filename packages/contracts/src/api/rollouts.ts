import { z } from "zod";
import { deploymentReason, deploymentState } from "../device/deployment.ts";
import { isoDuration, pageOf, pageQuery, share, timestamp } from "./common.ts";
import { operation } from "./operation.ts";

/** The first stage is the canary. `share` is of all targets, cumulative: 0.05, 0.25, 1. */
export const rolloutStage = z.strictObject({ share });

export const rolloutPlan = z.strictObject({
  release: z.string().min(1),
  /** Who: the filter language; empty means every active device that the release fits. */
  filter: z.string().max(1_000).default(""),
  stages: z
    .array(rolloutStage)
    .min(1)
    .max(20)
    .default([{ share: 0.05 }, { share: 0.25 }, { share: 1 }]),
  /** A stage in which more than this share failed, fell silent or rolled back halts the rollout. */
  haltAbove: share.default(0.05),
  /** From the offer to the verified boot; silence past it is a failure. */
  deadline: isoDuration.default("PT1H"),
  /** How long a stage must stay healthy after its last verified boot before the next begins. */
  soak: isoDuration.default("PT5M"),
  /** How many devices update at the same time. */
  atOnce: z.int().min(1).max(100_000).default(500),
  /** What happens to devices that already took the release when it halts. */
  onHalt: z.enum(["roll_back", "stop"]).default("roll_back"),
});
export type RolloutPlan = z.infer<typeof rolloutPlan>;

export const rolloutPhase = z.enum(["running", "paused", "halted", "rolling_back", "rolled_back", "completed", "cancelled"]);
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
});
export type Rollout = z.infer<typeof rollout>;

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
  offeredAt: timestamp.optional(),
  deadlineAt: timestamp.optional(),
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
    body: rolloutPlan,
    response: z.object({
      targets: z.int(),
      stages: z.array(z.object({ share, devices: z.int() })),
      bytes: z.int(),
      excluded: z.array(z.object({ because: z.string(), devices: z.int() })),
      worstCaseExposed: z.int(),
    }),
  }),
  startRollout: operation({
    name: "startRollout",
    method: "POST",
    path: "/rollouts",
    summary: "Starts a staged rollout.",
    permission: "rollouts.write",
    body: rolloutPlan,
    response: rollout,
    status: 201,
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
