/** What devices say: taken in durably, stored, and asked for again. */
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
export type { Decode, Decoded, Received, UpMessage } from "./message.ts";
export type { MeasuredPoint } from "./point.ts";
