import type { Scope } from "@tenfold/base";
import { insertPass } from "../decisions.shell.ts";
import type { RolloutsDeps } from "../deps.ts";
import type { StoredRollout } from "../store.ts";
import { lookForDarkness } from "./dark.shell.ts";
import { heldDevices, recordHolds } from "./holds.shell.ts";
import { guardSums, type NewSet, nextSetDue } from "./store.ts";
import { advanceWatch, planSets } from "./watch.shell.ts";

/** What is known around a rollout before it is locked: which sets begin, and around which overdue devices it is dark, with the reason. */
export type Around = { sets: readonly NewSet[]; dark: ReadonlyMap<string, string> };

/** What the engine compares with, and what it keeps of its decisions. */
export const postgresGuardBook = {
  lookAround: async (deps: RolloutsDeps, scope: Scope, rollout: StoredRollout): Promise<Around> => ({
    sets: await planSets(deps, scope, rollout),
    dark: await lookForDarkness(deps, scope, rollout),
  }),
  advanceWatch,
  guardSums,
  nextSetDue,
  heldDevices,
  recordHolds,
  insertPass,
};
export type GuardBook = typeof postgresGuardBook;

/** For worlds in which nothing is compared and nothing kept: simulations of the engine alone. */
export const emptyGuardBook: GuardBook = {
  lookAround: async () => ({ sets: [], dark: new Map() }),
  advanceWatch: async () => {},
  guardSums: async () => [],
  nextSetDue: async () => undefined,
  heldDevices: async () => ({ devices: 0, because: "" }),
  recordHolds: async () => {},
  insertPass: async () => {},
};
