export { type Batch, type ConsumeOptions, type Consumption, usualBatches } from "./consumption.ts";
export { applyIsolating, type Isolation, isPassing } from "./isolate.ts";
export { type Journal, type JournalOptions, openJournal } from "./journal.ts";
export { journalProblems } from "./problems.ts";
export { type Disk, type JournalLimits, realDisk, usualLimits } from "./writer.ts";
