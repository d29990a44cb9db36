import { z } from "zod";
import { timestamp } from "./common.ts";

/** What the live stream `GET /api/v1/events` (SSE) tells; `id` is the SSE id, so that a client can resume with Last-Event-ID. */
export const liveEventTypes = [
  "device.registered",
  "device.lifecycle_changed",
  "device.connected",
  "device.disconnected",
  "device.contact",
  "device.firmware_changed",
  "device.event",
  "device.input_refused",
  "certificate.issued",
  "certificate.revoked",
  "enrollment.attempted",
  "rollout.changed",
  "rollout.halted",
  "crash.received",
  "deployment.changed",
  "command.changed",
  "state.changed",
  "alert.changed",
  "telemetry.stored",
] as const;
export type LiveEventType = (typeof liveEventTypes)[number];

export const liveEvent = z.object({
  id: z.int(),
  type: z.enum(liveEventTypes),
  at: timestamp,
  subject: z.string(),
  data: z.record(z.string(), z.json()),
});
export type LiveEvent = z.infer<typeof liveEvent>;
