import { z } from "zod";
import { commandArgs, commandName, commandResult } from "../device/commands.ts";
import { isoDuration, pageOf, pageQuery, timestamp } from "./common.ts";
import { deviceId } from "./devices.ts";
import { operation } from "./operation.ts";

/** The life of a command on one device (docs/protocol/commands.md). The last five never change again, but for C14. */
export const commandState = z.enum(["queued", "sent", "delivered", "succeeded", "failed", "refused", "expired", "cancelled"]);
export type CommandState = z.infer<typeof commandState>;

export const finalCommandStates = ["succeeded", "failed", "refused", "expired", "cancelled"] as const satisfies CommandState[];

export const command = z.object({
  id: z.string(),
  /** What was given at once, to one device or to many. */
  batch: z.string(),
  device: deviceId,
  name: commandName,
  args: commandArgs,
  state: commandState,
  /** A sentence: why it is as it is. */
  because: z.string(),
  reason: z.string(),
  givenBy: z.string(),
  createdAt: timestamp,
  deadlineAt: timestamp,
  /** Times that it was put on a connection, or tried. */
  attempts: z.int(),
  sentAt: timestamp.optional(),
  /** The device's own acknowledgement (PUBACK), or its result. */
  deliveredAt: timestamp.optional(),
  endedAt: timestamp.optional(),
  /** `late` where it came after the end: it is kept, and changes nothing. */
  result: commandResult.extend({ at: timestamp, late: z.boolean() }).optional(),
});
export type DeviceCommand = z.infer<typeof command>;

/** How the desired state was changed: `merge` by a JSON merge patch (RFC 7396), `replace` as a whole. */
export const desiredChangeMode = z.enum(["merge", "replace"]);
const stateDocument = z.record(z.string().min(1).max(200), z.json());
const reason = z.string().min(1).max(500);
const filter = z.string().min(1).max(1_000);

export const deviceState = z.object({
  device: deviceId,
  /** Absent while nothing was ever desired. */
  desired: z
    .object({ generation: z.int(), state: stateDocument, changedAt: timestamp, changedBy: z.string(), reason: z.string() })
    .optional(),
  reported: z.json(),
  convergence: z.object({
    /** `partly`: followed, but for keys that the device does not understand. */
    is: z.enum(["nothing_desired", "waiting", "partly", "converged"]),
    because: z.string(),
    appliedGeneration: z.int().optional(),
    appliedAt: timestamp.optional(),
  }),
});
export type DeviceState = z.infer<typeof deviceState>;

export const desiredChange = z.object({
  generation: z.int(),
  mode: desiredChangeMode,
  document: stateDocument,
  reason: z.string(),
  by: z.string(),
  at: timestamp,
});
export type DesiredChange = z.infer<typeof desiredChange>;

const byId = z.object({ id: z.string().max(64) });
const byDevice = z.object({ id: deviceId });

export const commandOperations = {
  giveCommand: operation({
    name: "giveCommand",
    method: "POST",
    path: "/commands",
    summary: "Gives a command to one device, or to every active device that a filter lets through.",
    permission: "commands.write",
    body: z.strictObject({
      device: deviceId.optional(),
      filter: filter.optional(),
      name: commandName,
      args: commandArgs.default({}),
      /** From now; silence past it is the outcome `expired`. */
      deadline: isoDuration.default("PT5M"),
      reason,
    }),
    response: z.object({
      batch: z.string(),
      devices: z.int(),
      /** The first hundred. */
      items: z.array(command),
    }),
    status: 201,
  }),
  listCommands: operation({
    name: "listCommands",
    method: "GET",
    path: "/commands",
    summary: "Commands, newest first.",
    permission: "devices.read",
    query: pageQuery.extend({
      device: deviceId.optional(),
      batch: z.string().max(64).optional(),
      state: commandState.optional(),
    }),
    response: pageOf(command),
  }),
  getCommand: operation({
    name: "getCommand",
    method: "GET",
    path: "/commands/:id",
    summary: "One command on one device.",
    permission: "devices.read",
    params: byId,
    response: command,
  }),
  getCommandBatch: operation({
    name: "getCommandBatch",
    method: "GET",
    path: "/command-batches/:id",
    summary: "How far the commands are that were given at once.",
    permission: "devices.read",
    params: byId,
    response: z.object({ batch: z.string(), devices: z.int(), pending: z.int(), counts: z.record(z.string(), z.int()) }),
  }),
  cancelCommand: operation({
    name: "cancelCommand",
    method: "POST",
    path: "/commands/:id/cancel",
    summary: "Takes a command back that has not ended. A device that has it already may still do it.",
    permission: "commands.write",
    params: byId,
    body: z.strictObject({ reason }),
    response: command,
  }),
  getDeviceState: operation({
    name: "getDeviceState",
    method: "GET",
    path: "/devices/:id/state",
    summary: "What a device should be, what it says it is, and whether it has followed.",
    permission: "devices.read",
    params: byDevice,
    response: deviceState,
  }),
  replaceDesiredState: operation({
    name: "replaceDesiredState",
    method: "PUT",
    path: "/devices/:id/desired-state",
    summary: "Replaces the desired state as a whole.",
    permission: "commands.write",
    params: byDevice,
    body: z.strictObject({ state: stateDocument, expectedGeneration: z.int().min(0).optional(), reason }),
    response: deviceState,
  }),
  mergeDesiredState: operation({
    name: "mergeDesiredState",
    method: "PATCH",
    path: "/devices/:id/desired-state",
    summary: "Changes the desired state by a JSON merge patch (RFC 7396): null removes a key.",
    permission: "commands.write",
    params: byDevice,
    body: z.strictObject({ patch: stateDocument, expectedGeneration: z.int().min(0).optional(), reason }),
    response: deviceState,
  }),
  listDesiredChanges: operation({
    name: "listDesiredChanges",
    method: "GET",
    path: "/devices/:id/desired-state/changes",
    summary: "How the desired state of a device came about, newest first.",
    permission: "devices.read",
    params: byDevice,
    query: z.object({ limit: z.coerce.number().int().min(1).max(500).default(100) }),
    response: z.object({ items: z.array(desiredChange) }),
  }),
  changeDesiredStates: operation({
    name: "changeDesiredStates",
    method: "POST",
    path: "/desired-state-changes",
    summary: "Changes the desired state of every active device that a filter lets through: all of them, or none.",
    permission: "commands.write",
    body: z.strictObject({ filter, mode: desiredChangeMode, document: stateDocument, reason }),
    response: z.object({ devices: z.int(), changed: z.int() }),
  }),
};
