import { z } from "zod";
import { actor } from "./access.ts";
import { timestamp } from "./common.ts";
import { deviceId } from "./devices.ts";
import { operation } from "./operation.ts";

/** What is kept for different lengths of time: points, their cells of a minute and an hour, events, log lines. */
export const retentionClass = z.enum(["raw", "minute", "hour", "events", "logs"]);
export type RetentionClass = z.infer<typeof retentionClass>;

/** Days; null is for ever. */
const kept = z.int().min(1).max(36_500).nullable();
export const keepDays = z.strictObject({ raw: kept, minute: kept, hour: kept, events: kept, logs: kept });
export type KeepDays = z.infer<typeof keepDays>;

/** Nothing of these devices in [from, until) is deleted, in no class, until it is released. */
export const hold = z.object({
  id: z.string(),
  kind: z.enum(["legal", "incident"]),
  reason: z.string(),
  devices: z.array(z.string()),
  from: timestamp,
  until: timestamp,
  createdAt: timestamp,
  createdBy: actor,
  releasedAt: timestamp.optional(),
  releasedBy: actor.optional(),
  releaseReason: z.string().optional(),
});
export type Hold = z.infer<typeof hold>;

/** What a deletion takes away, or took away, in one partition: a month of a class. */
export const deletedPartition = z.object({
  partition: z.string(),
  rows: z.int(),
  heldRows: z.int(),
  bytes: z.int(),
  from: timestamp,
  to: timestamp,
  how: z.enum(["drop", "delete"]),
});

/** What a policy would delete of one class now, and what of it is held. `bytes` on disk, in proportion to the rows. */
export const retentionPreview = z.object({
  class: retentionClass,
  keepDays: kept,
  /** Everything before this moment goes; missing where the class is kept for ever. */
  before: timestamp.optional(),
  rows: z.int(),
  heldRows: z.int(),
  bytes: z.int(),
  partitions: z.array(deletedPartition),
});
export type RetentionPreview = z.infer<typeof retentionPreview>;

/**
 * The proof of a deletion. `sha256` is over the canonical JSON of the proof as it stands in the audit trail (`telemetry.deleted`), with a
 * fingerprint of what each partition held.
 */
export const deletion = z.object({
  id: z.string(),
  class: retentionClass,
  before: timestamp,
  reason: z.string(),
  actor,
  plannedAt: timestamp,
  finishedAt: timestamp.optional(),
  rows: z.int(),
  bytes: z.int(),
  partitions: z.array(deletedPartition),
  sha256: z.string().optional(),
});
export type Deletion = z.infer<typeof deletion>;

export const retentionOperations = {
  getRetention: operation({
    name: "getRetention",
    method: "GET",
    path: "/retention",
    summary: "How long telemetry is kept, what of it there is, what is held, and what was deleted last.",
    permission: "telemetry.read",
    response: z.object({
      keepDays,
      changedAt: timestamp.optional(),
      changedBy: actor.optional(),
      /** Of the whole store: rows and bytes of all fleets. */
      classes: z.array(
        z.object({
          class: retentionClass,
          rows: z.int(),
          bytes: z.int(),
          oldest: timestamp.optional(),
          newest: timestamp.optional(),
        }),
      ),
      holds: z.array(hold),
      deletions: z.array(deletion),
    }),
  }),
  previewRetention: operation({
    name: "previewRetention",
    method: "POST",
    path: "/retention/preview",
    summary: "What a policy would delete and save now, class by class. Changes nothing.",
    permission: "telemetry.read",
    body: z.strictObject({ keepDays: keepDays.partial().default({}) }),
    response: z.object({ items: z.array(retentionPreview) }),
  }),
  applyRetention: operation({
    name: "applyRetention",
    method: "POST",
    path: "/retention/apply",
    summary: "Makes this the policy and deletes what it says, with a proof for each class in the audit trail.",
    permission: "retention.write",
    body: z.strictObject({ keepDays: keepDays.partial().default({}), reason: z.string().min(1).max(500) }),
    response: z.object({ keepDays, deletions: z.array(deletion) }),
  }),
  createHold: operation({
    name: "createHold",
    method: "POST",
    path: "/retention/holds",
    summary: "Pins devices over a window of time: nothing in it is deleted.",
    permission: "retention.write",
    body: z.strictObject({
      kind: z.enum(["legal", "incident"]),
      reason: z.string().min(1).max(500),
      devices: z.array(deviceId).min(1).max(1_000),
      from: timestamp,
      until: timestamp,
    }),
    response: hold,
    status: 201,
  }),
  releaseHold: operation({
    name: "releaseHold",
    method: "POST",
    path: "/retention/holds/:id/release",
    summary: "Ends a hold. A legal hold is released by somebody else than who set it.",
    permission: "retention.write",
    params: z.object({ id: z.string().min(1).max(60) }),
    body: z.strictObject({ reason: z.string().min(1).max(500) }),
    response: hold,
  }),
};
