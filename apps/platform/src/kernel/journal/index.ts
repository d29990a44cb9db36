export { applyIsolating } from "./isolate.ts";
export { openJournal } from "./journal.ts";
export { type Batch, type Consumption, type Journal, usualBatches } from "./port.ts";
