import { z } from "zod";
import { money, timestamp } from "./common.ts";
import { deviceId } from "./devices.ts";
import { operation } from "./operation.ts";
import { maintenanceWindow, planName, planTemplate } from "./rollout-plan.ts";
import { updateStatus } from "./update-status.ts";

export const storedPlan = z.object({
  name: z.string(),
  note: z.string(),
  plan: planTemplate,
  /** Every installation has it. */
  builtIn: z.boolean(),
  updatedBy: z.string().optional(),
  updatedAt: timestamp.optional(),
});
export type StoredPlan = z.infer<typeof storedPlan>;

/** A time in which no update is offered in the whole fleet. Devices on their way go on, and the way back stays open. */
export const freeze = z.object({
  id: z.string(),
  from: timestamp,
  to: timestamp,
  reason: z.string(),
  createdBy: z.string(),
  createdAt: timestamp,
  removedAt: timestamp.optional(),
});
export type Freeze = z.infer<typeof freeze>;

/** Devices that stay on a version (a pin), or get no update at all (an exclusion), until it expires or is lifted. */
export const updatePin = z.object({
  id: z.string(),
  /** Which devices, in the filter language: `id:pump-7`, `group:lab`. */
  filter: z.string(),
  /** The only version they may be offered; none where left out. */
  version: z.string().optional(),
  reason: z.string(),
  expiresAt: timestamp.optional(),
  createdBy: z.string(),
  createdAt: timestamp,
  liftedAt: timestamp.optional(),
  liftedBy: z.string().optional(),
});
export type UpdatePin = z.infer<typeof updatePin>;

/** What binds every rollout of the fleet. */
export const rolloutPolicy = z.strictObject({
  /** Devices that update at the same time in all rollouts together; shared out by weight. No bound where left out. */
  atOnce: z.int().min(1).max(1_000_000).optional(),
  /** How many people must approve a rollout, whatever its plan says. */
  approvals: z.int().min(0).max(5).default(0),
  windows: z.array(maintenanceWindow).max(20).default([]),
  /** What a gigabyte (10⁹ bytes) sent to a device costs, so that the dry run can say what an update costs. */
  pricePerGb: money.optional(),
});
export type RolloutPolicy = z.infer<typeof rolloutPolicy>;

const reason = z.string().trim().min(1).max(500);
const byId = z.object({ id: z.string() });

export const rolloutGovernanceOperations = {
  listRolloutPlans: operation({
    name: "listRolloutPlans",
    method: "GET",
    path: "/rollout-plans",
    summary: "Plans that can be started by name: those that every installation has, and your own.",
    permission: "rollouts.read",
    response: z.object({ items: z.array(storedPlan) }),
  }),
  saveRolloutPlan: operation({
    name: "saveRolloutPlan",
    method: "PUT",
    path: "/rollout-plans/:name",
    summary: "Stores a plan under a name. Rollouts that were started with it keep what they were started with.",
    permission: "rollouts.govern",
    params: z.object({ name: planName }),
    body: z.strictObject({ note: z.string().max(500).default(""), plan: planTemplate }),
    response: storedPlan,
  }),
  deleteRolloutPlan: operation({
    name: "deleteRolloutPlan",
    method: "DELETE",
    path: "/rollout-plans/:name",
    summary: "Removes a stored plan; a built-in one of the same name shows again.",
    permission: "rollouts.govern",
    params: z.object({ name: planName }),
    response: z.object({ deleted: z.literal(true) }),
  }),
  getRolloutPolicy: operation({
    name: "getRolloutPolicy",
    method: "GET",
    path: "/rollout-policy",
    summary: "What binds every rollout of the fleet.",
    permission: "rollouts.read",
    response: rolloutPolicy,
  }),
  setRolloutPolicy: operation({
    name: "setRolloutPolicy",
    method: "PUT",
    path: "/rollout-policy",
    summary: "Sets what binds every rollout of the fleet, open ones included.",
    permission: "rollouts.govern",
    body: rolloutPolicy,
    response: rolloutPolicy,
  }),
  listFreezes: operation({
    name: "listFreezes",
    method: "GET",
    path: "/freezes",
    summary: "The freeze calendar: what holds now, what comes, and what has been, newest first.",
    permission: "rollouts.read",
    response: z.object({ items: z.array(freeze) }),
  }),
  addFreeze: operation({
    name: "addFreeze",
    method: "POST",
    path: "/freezes",
    summary: "Freezes the fleet for a time: no update is offered.",
    permission: "rollouts.govern",
    body: z.strictObject({ from: timestamp, to: timestamp, reason }),
    response: freeze,
    status: 201,
  }),
  removeFreeze: operation({
    name: "removeFreeze",
    method: "DELETE",
    path: "/freezes/:id",
    summary: "Takes a freeze out of the calendar; it stays in the record.",
    permission: "rollouts.govern",
    params: byId,
    response: freeze,
  }),
  listUpdatePins: operation({
    name: "listUpdatePins",
    method: "GET",
    path: "/update-pins",
    summary: "Pins and exclusions, newest first; those that ended as well.",
    permission: "rollouts.read",
    response: z.object({ items: z.array(updatePin) }),
  }),
  addUpdatePin: operation({
    name: "addUpdatePin",
    method: "POST",
    path: "/update-pins",
    summary: "Pins devices to a version, or excludes them from updates, with a reason and an end.",
    permission: "rollouts.govern",
    body: z.strictObject({
      filter: z.string().min(1).max(1_000),
      version: z.string().min(1).max(64).optional(),
      reason,
      expiresAt: timestamp.optional(),
    }),
    response: updatePin,
    status: 201,
  }),
  liftUpdatePin: operation({
    name: "liftUpdatePin",
    method: "DELETE",
    path: "/update-pins/:id",
    summary: "Lifts a pin or an exclusion; it stays in the record.",
    permission: "rollouts.govern",
    params: byId,
    response: updatePin,
  }),
  getUpdateStatus: operation({
    name: "getUpdateStatus",
    method: "GET",
    path: "/devices/:id/update-status",
    summary: "Why this device is not updated: how the engine sees it now, for every open rollout.",
    permission: "rollouts.read",
    params: z.object({ id: deviceId }),
    query: z.object({ rollout: z.string().optional() }),
    response: updateStatus,
  }),
};
