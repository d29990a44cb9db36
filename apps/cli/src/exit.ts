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

const usageCodes = new Set([
  ...["usage", "input_invalid", "config_invalid", "filter_invalid"],
  ...["key_missing", "key_file_unusable", "key_uri_invalid", "signing_key_unreadable"],
]);
const refusedStatuses = new Set([401, 403, 409, 412]);

/** Why a file that a command was given cannot be read; undefined for other failures. */
function unreadableFile(error: unknown): string | undefined {
  if (!(error instanceof Error && "code" in error)) return undefined;
  // Reading a folder fails after it was opened, and then no longer says which.
  if (error.code === "EISDIR") return "A folder was named where a file is read.";
  if (!("path" in error && typeof error.path === "string")) return undefined;
  const file = JSON.stringify(error.path);
  if (error.code === "ENOENT") return `There is no file ${file}.`;
  return error.code === "EACCES" ? `${file} may not be read by this user.` : undefined;
}

export function exitCodeOf(error: unknown): number {
  if (unreadableFile(error) !== undefined) return exitCodes.usage;
  if (!(error instanceof Problem)) return exitCodes.failed;
  if (error.code === "rollout_halted") return exitCodes.halted;
  if (error.code === "rollout_goes_on") return exitCodes.goesOn;
  if (usageCodes.has(error.code)) return exitCodes.usage;
  if (error.status === 404) return exitCodes.notFound;
  return refusedStatuses.has(error.status) ? exitCodes.refused : exitCodes.failed;
}

/** The lines that a person reads when a command fails: what, and what to do. */
export function explainFailure(error: unknown): string {
  if (!(error instanceof Problem)) return unreadableFile(error) ?? describeError(error);
  return [describeError(error), ...(error.fix === undefined ? [] : [error.fix])].join("\n");
}
