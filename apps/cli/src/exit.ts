import { defineProblems, describeError, Problem } from "@tenfold/base";

/** What the shell is told (docs/cli.md). */
export const exitCodes = { ok: 0, failed: 1, usage: 2, notFound: 3, refused: 4, halted: 5, goesOn: 6 } as const;

export const cliProblems = defineProblems({
  usage: 400,
  rollout_halted: 409,
  rollout_goes_on: 409,
  not_confirmed: 409,
  program_failed: 500,
  command_not_done: 500,
  replay_different: 500,
  not_verified: 403,
  no_ci_identity: 401,
});

const usageCodes = new Set(["usage", "input_invalid", "config_invalid", "filter_invalid"]);
const refusedStatuses = new Set([401, 403, 409, 412]);

export function exitCodeOf(error: unknown): number {
  if (!(error instanceof Problem)) return exitCodes.failed;
  if (error.code === "rollout_halted") return exitCodes.halted;
  if (error.code === "rollout_goes_on") return exitCodes.goesOn;
  if (usageCodes.has(error.code)) return exitCodes.usage;
  if (error.status === 404) return exitCodes.notFound;
  return refusedStatuses.has(error.status) ? exitCodes.refused : exitCodes.failed;
}

/** The lines that a person reads when a command fails: what, and what to do. */
export function explainFailure(error: unknown): string {
  if (!(error instanceof Problem)) return describeError(error);
  return [describeError(error), ...(error.fix === undefined ? [] : [error.fix])].join("\n");
}
