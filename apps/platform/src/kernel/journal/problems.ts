import { defineProblems } from "@tenfold/base";

/**
 * `journal_full`: the disk or the quota is used up. `journal_busy`: more bytes wait for the disk than memory may hold. `journal_broken`: a
 * failed fdatasync; nothing is promised any more until the process starts again. `journal_unavailable`: the stream between servers did not answer. `journal_left`: files of an earlier layout hold messages. `journal_damaged`: a finished segment has a bad record.
 */
export const journalProblems = defineProblems({
  journal_full: 503,
  journal_busy: 503,
  journal_broken: 503,
  journal_unavailable: 503,
  journal_closed: 503,
  journal_locked: 500,
  journal_damaged: 500,
  journal_left: 409,
  frame_too_large: 413,
});
