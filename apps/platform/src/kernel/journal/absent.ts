import type { Journal } from "./port.ts";
import { journalProblems } from "./problems.ts";

/** The journal of a process that neither takes messages in nor applies them. */
export const absentJournal: Journal = {
  id: "none",
  append: () =>
    Promise.reject(
      journalProblems.journal_closed("This process takes no messages.", { fix: "It has neither the role links nor intake." }),
    ),
  pressure: () => "none",
  ready: async () => {},
  health: () => ({ is: "well" }),
  backlog: () => ({ frames: 0, bytes: 0 }),
  consume: () => {
    throw new Error("A process without the role intake applies nothing.");
  },
  close: async () => {},
};
