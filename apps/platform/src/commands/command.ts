import { deepestJson, humanDuration, isNestedDeeper, type Json } from "@tenfold/base";
import {
  type CommandDocument,
  type CommandResult,
  type CommandState,
  commandResult,
  type DeviceCommand,
  finalCommandStates,
  type TimelineEntry,
} from "@tenfold/contracts";
import { commandProblems } from "./errors.ts";
import { largestResult } from "./limits.ts";

/** A command's row. Times in ms since 1970. */
export type Command = {
  id: string;
  batch: string;
  device: string;
  name: string;
  args: CommandDocument["args"];
  state: CommandState;
  reason: string;
  givenBy: string;
  createdAt: number;
  deadlineAt: number;
  attempts: number;
  sentAt?: number;
  deliveredAt?: number;
  endedAt?: number;
  cancelledBecause?: string;
  result?: CommandResult & { at: number };
};

export const isFinal = (state: CommandState): boolean => finalCommandStates.some((final) => final === state);

/** What the device is sent. `deadlineS` counts from the sending, because a device's clock is not trusted. */
export const documentOf = ({ id, name, args, deadlineAt }: Command, now: number): CommandDocument => ({
  command: id,
  name,
  args,
  deadlineS: Math.max(0, Math.floor((deadlineAt - now) / 1_000)),
});

export function commandView(command: Command): DeviceCommand {
  const { createdAt, deadlineAt, sentAt, deliveredAt, endedAt, cancelledBecause: _, result, ...rest } = command;
  return {
    ...rest,
    because: explain(command),
    createdAt: rfc3339(createdAt),
    deadlineAt: rfc3339(deadlineAt),
    ...(sentAt === undefined ? {} : { sentAt: rfc3339(sentAt) }),
    ...(deliveredAt === undefined ? {} : { deliveredAt: rfc3339(deliveredAt) }),
    ...(endedAt === undefined ? {} : { endedAt: rfc3339(endedAt) }),
    ...(result === undefined ? {} : { result: { ...result, at: rfc3339(result.at), late: isLate(command) } }),
  };
}

/** Whether the result came after the command had ended otherwise. */
const isLate = ({ state, result }: Command): boolean => result !== undefined && state !== result.status;

/** Why a command is as it is, in a sentence or two. */
export function explain(command: Command): string {
  const { state, attempts, sentAt, deliveredAt, createdAt, endedAt, result, cancelledBecause } = command;
  const took = endedAt === undefined ? "" : ` after ${humanDuration(Math.max(0, endedAt - createdAt))}`;
  switch (state) {
    case "queued":
      return attempts === 0 ? "It is about to be sent." : "The device is not connected; it gets the command when it connects.";
    case "sent":
      return "It was sent; the device has not acknowledged it.";
    case "delivered":
      return "The device has it and has not answered yet.";
    case "succeeded":
      return `The device did it${took}.`;
    case "failed":
      return `The device tried and failed${took}${saying(result)}`;
    case "refused":
      return `The device did not do it${saying(result)}`;
    case "cancelled":
      return `It was taken back${cancelledBecause === undefined ? "" : `: ${cancelledBecause}`}${late(command)}`;
    case "expired":
      return `${silence({ sentAt, deliveredAt })}${late(command)}`;
  }
}

function silence({ sentAt, deliveredAt }: { sentAt: number | undefined; deliveredAt: number | undefined }): string {
  if (deliveredAt !== undefined) return "The device acknowledged it and said no more before the deadline.";
  if (sentAt !== undefined) return "It was sent, and the device never acknowledged it before the deadline.";
  return "The device was not connected before the deadline.";
}

function saying(result: Command["result"]): string {
  const said = [result?.code, result?.detail].filter((part) => part !== undefined).join(": ");
  return said === "" ? "." : `: ${said}`;
}

const late = (command: Command): string => (isLate(command) ? ` It ${command.result?.status} all the same, too late.` : "");

/** Reads the payload of `commands/{command}/result`. */
export function readCommandResult(
  payload: Buffer,
): { is: "ok"; value: CommandResult } | { is: "refused"; because: string; detail: string } {
  const refused = (detail: string) => ({ is: "refused", because: "command_result_invalid", detail }) as const;
  if (payload.length > largestResult) return refused(`A result has at most ${largestResult} bytes.`);
  if (isNestedDeeper(payload)) return refused(`A result is nested at most ${deepestJson} levels deep.`);
  try {
    const read = commandResult.safeParse(JSON.parse(payload.toString("utf8")));
    if (!read.success) {
      const [issue] = read.error.issues;
      return refused(`${issue?.path.join(".") || "the document"}: ${issue?.message ?? "is not what it should be"}`.slice(0, 300));
    }
    return isStorable(read.data) ? { is: "ok", value: read.data } : refused("A text holds NUL or half a surrogate pair.");
  } catch {
    return refused("A result is a JSON object.");
  }
}

/** PostgreSQL's jsonb can hold neither NUL nor half a surrogate pair, which JSON writes as escapes. */
const isStorable = (value: unknown): boolean => !/\\u0000|\\ud[89a-f]/i.test(JSON.stringify(value));

/** Throws for a document that is too large or cannot be stored; `field` names it. */
export function assertStorable(value: Json, { field, most }: { field: string; most: number }): void {
  const bytes = Buffer.byteLength(JSON.stringify(value));
  if (bytes > most) throw commandProblems.document_too_large(`${field} has ${bytes} bytes; ${most} are the most.`, { field });
  if (!isStorable(value))
    throw commandProblems.document_not_text(`A text in ${field} holds NUL or half a surrogate pair.`, { field });
}

/** A command in its device's timeline. */
export function timelineEntry(command: Command): TimelineEntry {
  const { id, name, state, endedAt, deliveredAt, sentAt, createdAt, givenBy, reason } = command;
  return {
    at: rfc3339(endedAt ?? deliveredAt ?? sentAt ?? createdAt),
    kind: "command",
    severity: state === "failed" || state === "expired" ? "warning" : "info",
    text: `Command ${name} by ${givenBy}: ${state}. ${explain(command)}`,
    detail: { command: id, state, reason },
  };
}

const rfc3339 = (ms: number): string => new Date(ms).toISOString();
