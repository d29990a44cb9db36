export { absentJournal } from "./absent.ts";
export { applyIsolating, isPassing } from "./isolate.ts";
export { openJournal } from "./journal.ts";
export { withLeftover } from "./leftover.ts";
export { type Batch, type Consumption, type Journal, usualBatches } from "./port.ts";
export { journalProblems } from "./problems.ts";
export { openStreamJournal } from "./stream/journal.ts";
