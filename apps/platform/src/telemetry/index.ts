/** What devices say: taken in durably, stored, and asked for again. */

export { keepDeadLetters } from "./dead-letter.shell.ts";
export { bySchema, decodeEvent, decodeHeartbeat, decodeLogs, decodeTelemetry } from "./decode.ts";
export { type Refusal, refusals, telemetryProblems } from "./errors.ts";
export { eventTime, type TimeSource } from "./event-time.ts";
export {
  type Consumer,
  createIntake,
  type DeadLetter,
  type Intake,
  type IntakeDeps,
  type Item,
  type RefusalNote,
} from "./intake.shell.ts";
export type { Lag, LagReport } from "./lag.shell.ts";
export type { LatestPoint } from "./latest.ts";
export type { Decode, Decoded, Received, UpMessage } from "./message.ts";
export type { MeasuredPoint } from "./point.ts";
export { type TelemetryRoutes, telemetryRoutes } from "./routes.ts";
export type { StoredEvent } from "./store.ts";
export { createTelemetry, type Telemetry, type TelemetryDeps } from "./telemetry.shell.ts";
