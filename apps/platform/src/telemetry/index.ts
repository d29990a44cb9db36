/** What devices say: taken in durably, stored, and asked for again. */
export { keepDeadLetters } from "./dead-letter.shell.ts";
export { deadLetterRoutes } from "./dead-letter-routes.shell.ts";
export { bySchema, decodeEvent, decodeHeartbeat } from "./decode.ts";
export { createIntake, type Intake, type Item, type RefusalNote } from "./intake.shell.ts";
export { telemetryRoutes } from "./routes.ts";
export { siftBy } from "./sequence.shell.ts";
export { createTelemetry, type Telemetry } from "./telemetry.shell.ts";
