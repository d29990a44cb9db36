export { type Batch, type Consumption, usualBatches } from "./consumption.ts";
export { applyIsolating } from "./isolate.ts";
export { type Journal, openJournal } from "./journal.ts";
