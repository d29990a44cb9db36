import { z } from "zod";
import { pageOf, pageQuery, timestamp } from "./common.ts";
import { operation } from "./operation.ts";

/** A message that was acknowledged and could not be applied: kept, so that nothing acknowledged is ever lost. */
export const deadLetter = z.object({
  id: z.string(),
  device: z.string(),
  channel: z.string(),
  /** The id in its topic: of a deployment or a command. */
  topicId: z.string().optional(),
  transport: z.enum(["mqtt", "https"]),
  /** Who could not take it: `points`, `contacts`, … The others of its channel have it. */
  consumer: z.string(),
  because: z.string(),
  receivedAt: timestamp,
  putAsideAt: timestamp,
  bytes: z.int(),
  payloadSha256: z.string(),
  /** Its bytes. */
  payloadBase64: z.string(),
});
export type DeadLetter = z.infer<typeof deadLetter>;

const params = z.object({ id: z.string() });

export const deadLetterOperations = {
  listDeadLetters: operation({
    name: "listDeadLetters",
    method: "GET",
    path: "/dead-letters",
    summary: "Messages that were acknowledged and could not be applied, newest first.",
    permission: "telemetry.read",
    query: pageQuery.extend({ device: z.string().optional() }),
    response: pageOf(deadLetter),
  }),
  applyDeadLetter: operation({
    name: "applyDeadLetter",
    method: "POST",
    path: "/dead-letters/:id/apply",
    summary: "Applies one again, once: after the cause was mended. When it fails again it stays, with the new reason.",
    permission: "retention.write",
    params,
    response: z.object({ applied: z.boolean(), because: z.string().optional() }),
  }),
  discardDeadLetter: operation({
    name: "discardDeadLetter",
    method: "POST",
    path: "/dead-letters/:id/discard",
    summary: "Lets one go for ever; its hash and the reason stay in the audit trail.",
    permission: "retention.write",
    params,
    body: z.strictObject({ reason: z.string().trim().min(3).max(300) }),
    response: z.object({ discarded: z.literal(true) }),
  }),
};
