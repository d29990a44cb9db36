import { formatDuration, parseDuration } from "@tenfold/base";
import { cliProblems } from "../../exit.ts";

type Value = ReturnType<typeof JSON.parse>;

/** `seconds=5 mode=eco on=true list=[1,2]`: a value that is JSON is that, everything else is text. */
export function readAssignments(words: readonly string[]): Record<string, Value> {
  return Object.fromEntries(words.map(readAssignment));
}

function readAssignment(text: string): [string, Value] {
  const at = text.indexOf("=");
  if (at < 1) throw cliProblems.usage(`"${text}" is not name=value.`, { fix: 'Write name=value, as in seconds=5 or tags=["a"].' });
  const value = text.slice(at + 1);
  try {
    return [text.slice(0, at), JSON.parse(value)];
  } catch {
    return [text.slice(0, at), value];
  }
}

/** Reads `5m` or `PT5M`, for the API. */
export function readDeadline(text: string): string {
  const length = parseDuration(text);
  if (length === undefined || length <= 0)
    throw cliProblems.usage(`"${text}" is not a length of time.`, { fix: "Write 30s, 5m, 2h, 1d or PT5M." });
  return formatDuration(length);
}
