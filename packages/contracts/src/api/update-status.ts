import { z } from "zod";
import { timestamp } from "./common.ts";

/** Why a rollout leaves a device out when it chooses its targets. */
export const exclusionCodes = [
  "device_not_active",
  "model_unknown",
  "other_model",
  "other_hardware",
  "other_channel",
  "below_minimum_version",
  "must_pass_through",
  "runs_release",
  "runs_newer",
  "pinned",
  "excluded",
  "in_other_rollout",
] as const;

/** Why a device whose rollout goes on is not offered the release at this moment. */
export const blockCodes = [
  "awaiting_approval",
  "paused",
  "release_unusable",
  "frozen",
  "dark",
  "prerequisite_rollout",
  "stage_not_begun",
  "outside_window",
  /** It has downloaded the release ahead of its window, and may not install it yet. */
  "awaits_window",
  "update_in_flight",
  "yields",
  "stone_not_proven",
  "pinned",
  "excluded",
  "prerequisite_missing",
  "power_unknown",
  "battery_low",
  "not_on_mains",
  "network_unknown",
  "network_not_allowed",
  "network_metered",
  "backing_off",
  "jitter",
  "at_once_reached",
  "shared_places_reached",
  "rate_reached",
  "turn_not_come",
] as const;

/** How it stands with a device and a rollout apart from those. */
const standingCodes = [
  "offered_next",
  "installs_next",
  "updating",
  "updated",
  "ended_failed",
  "ended_skipped",
  "ended_cancelled",
  "not_in_filter",
  "joins_next",
  "joined_too_late",
  "beyond_last_stage",
  "no_open_rollout",
] as const;

export const exclusionCode = z.enum(exclusionCodes);
export type ExclusionCode = z.infer<typeof exclusionCode>;
export const blockCode = z.enum(blockCodes);
export type BlockCode = z.infer<typeof blockCode>;
export const updateCode = z.enum([...new Set([...exclusionCodes, ...blockCodes, ...standingCodes])]);
export type UpdateCode = z.infer<typeof updateCode>;

/** How a device stands to one rollout, as the engine sees it now. */
export const rolloutStanding = z.object({
  rollout: z.string(),
  version: z.string(),
  code: updateCode,
  /** A sentence for people. */
  because: z.string(),
  /** When that changes by itself, where it is known. */
  until: timestamp.optional(),
  /** What a person can do, where there is something. */
  fix: z.string().optional(),
  deployment: z.string().optional(),
  stage: z.int().optional(),
});
export type RolloutStanding = z.infer<typeof rolloutStanding>;

/** Why a device is not updated: the answer that counts, and how it stands to every open rollout. */
export const updateStatus = z.object({
  device: z.string(),
  at: timestamp,
  version: z.string().optional(),
  code: updateCode,
  because: z.string(),
  until: timestamp.optional(),
  fix: z.string().optional(),
  rollouts: z.array(rolloutStanding),
});
export type UpdateStatus = z.infer<typeof updateStatus>;
