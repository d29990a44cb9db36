import { z } from "zod";
import { deviceIdPattern } from "../device/topics.ts";
import { pageOf, pageQuery, timestamp } from "./common.ts";
import { operation } from "./operation.ts";

export const deviceId = z.string().regex(deviceIdPattern);
export const lifecycle = z.enum(["expected", "pending", "active", "suspended", "quarantined", "retired"]);
export type Lifecycle = z.infer<typeof lifecycle>;

/** Whether a device can be reached: judged from its contact lease at the moment of asking, never stored. */
export const connectivity = z.object({
  is: z.enum(["online", "late", "offline", "never_seen"]),
  /** A sentence: "Late by 40 s: its lease of 90 s ended at …". */
  because: z.string(),
  since: timestamp.optional(),
  /** When this verdict changes by itself if nothing is heard. */
  nextJudgementAt: timestamp.optional(),
});
export type Connectivity = z.infer<typeof connectivity>;

export const tags = z.record(z.string().regex(/^[a-z][a-z0-9_.-]{0,39}$/), z.string().max(100));

export const device = z.object({
  id: deviceId,
  fleet: z.string(),
  lifecycle,
  model: z.string().optional(),
  hardwareRevision: z.string().optional(),
  tags,
  connectivity,
  lastContactAt: timestamp.optional(),
  leaseUntil: timestamp.optional(),
  firmware: z
    .object({ version: z.string(), hash: z.string().optional(), slot: z.string().optional(), state: z.string(), since: timestamp })
    .optional(),
  bootId: z.string().optional(),
  uptimeS: z.number().optional(),
  /** How much the identity is worth: 0 software key approved by hand, 1 software key with manifest, 2 secure element, 3 TPM, 4 attested. */
  trustLevel: z.int().min(0).max(4),
  /** Inputs refused since it was registered, and the last reason. */
  refusedInputs: z.object({ count: z.int(), lastAt: timestamp.optional(), lastReason: z.string().optional() }),
  createdAt: timestamp,
  updatedAt: timestamp,
});
export type Device = z.infer<typeof device>;

/** One thing in a device's past, for its timeline. */
export const timelineEntry = z.object({
  at: timestamp,
  kind: z.string(),
  severity: z.enum(["info", "warning", "error", "critical"]),
  text: z.string(),
  detail: z.record(z.string(), z.json()).optional(),
});
export type TimelineEntry = z.infer<typeof timelineEntry>;

const byId = z.object({ id: deviceId });
const reason = z.object({ reason: z.string().min(1).max(500) });

export const deviceOperations = {
  listDevices: operation({
    name: "listDevices",
    method: "GET",
    path: "/devices",
    summary: "Devices, by the filter language: `tag:site=berlin status:offline fw:<1.4.0`.",
    permission: "devices.read",
    query: pageQuery.extend({ filter: z.string().max(1_000).optional() }),
    response: pageOf(device).extend({ total: z.int() }),
  }),
  getDevice: operation({
    name: "getDevice",
    method: "GET",
    path: "/devices/:id",
    summary: "One device.",
    permission: "devices.read",
    params: byId,
    response: device,
  }),
  summarizeDevices: operation({
    name: "summarizeDevices",
    method: "GET",
    path: "/device-summary",
    summary: "How many devices there are, by connectivity, lifecycle and firmware version.",
    permission: "devices.read",
    query: z.object({ filter: z.string().max(1_000).optional() }),
    response: z.object({
      total: z.int(),
      connectivity: z.record(z.string(), z.int()),
      lifecycle: z.record(z.string(), z.int()),
      firmware: z.array(z.object({ version: z.string(), devices: z.int() })),
    }),
  }),
  getDeviceTimeline: operation({
    name: "getDeviceTimeline",
    method: "GET",
    path: "/devices/:id/timeline",
    summary: "What happened to a device, newest first: events, refusals, updates, lifecycle, alerts.",
    permission: "devices.read",
    params: byId,
    query: z.object({ limit: z.coerce.number().int().min(1).max(500).default(100) }),
    response: z.object({ items: z.array(timelineEntry) }),
  }),
  tagDevice: operation({
    name: "tagDevice",
    method: "PATCH",
    path: "/devices/:id",
    summary: "Sets tags; a null value removes one.",
    permission: "devices.write",
    params: byId,
    body: z.strictObject({ tags: z.record(z.string().regex(/^[a-z][a-z0-9_.-]{0,39}$/), z.string().max(100).nullable()) }),
    response: device,
  }),
  suspendDevice: operation({
    name: "suspendDevice",
    method: "POST",
    path: "/devices/:id/suspend",
    summary: "Refuses the device and closes its connections, until it is resumed.",
    permission: "devices.suspend",
    params: byId,
    body: reason,
    response: device,
  }),
  quarantineDevice: operation({
    name: "quarantineDevice",
    method: "POST",
    path: "/devices/:id/quarantine",
    summary: "Suspends a device that is suspected of being taken over.",
    permission: "devices.suspend",
    params: byId,
    body: reason,
    response: device,
  }),
  resumeDevice: operation({
    name: "resumeDevice",
    method: "POST",
    path: "/devices/:id/resume",
    summary: "Lets a suspended or quarantined device in again.",
    permission: "devices.suspend",
    params: byId,
    body: reason,
    response: device,
  }),
  retireDevice: operation({
    name: "retireDevice",
    method: "POST",
    path: "/devices/:id/retire",
    summary: "Revokes the identity for ever and keeps the history.",
    permission: "devices.suspend",
    params: byId,
    body: reason,
    response: device,
  }),
};

export const group = z.object({
  id: z.string(),
  name: z.string(),
  /** A dynamic group has a filter; a static one a list. */
  filter: z.string().optional(),
  members: z.int(),
  createdAt: timestamp,
});
export type Group = z.infer<typeof group>;

export const groupOperations = {
  listGroups: operation({
    name: "listGroups",
    method: "GET",
    path: "/groups",
    summary: "Groups of devices.",
    permission: "devices.read",
    response: z.object({ items: z.array(group) }),
  }),
  createGroup: operation({
    name: "createGroup",
    method: "POST",
    path: "/groups",
    summary: "Makes a group: dynamic by a filter, or static by a list of devices.",
    permission: "devices.write",
    body: z.strictObject({
      name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/),
      filter: z.string().max(1_000).optional(),
      devices: z.array(deviceId).max(100_000).optional(),
    }),
    response: group,
    status: 201,
  }),
  deleteGroup: operation({
    name: "deleteGroup",
    method: "DELETE",
    path: "/groups/:id",
    summary: "Removes a group; its devices stay.",
    permission: "devices.write",
    params: z.object({ id: z.string() }),
    response: z.object({ deleted: z.literal(true) }),
  }),
};
