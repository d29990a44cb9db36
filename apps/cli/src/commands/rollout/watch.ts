import { setTimeout as wait } from "node:timers/promises";
import { parseDuration } from "@tenfold/base";
import { type ApiClient, api, type Rollout } from "@tenfold/contracts";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { untilInterrupted } from "../../live.ts";
import { addVerb, text, word } from "../../verb.ts";
import { countsLine, phasesThatEnd } from "./describe.ts";

const everyMs = 1_000;

/** Tells each change of a rollout until it has ended. */
export async function* watchRollout(client: ApiClient, id: string, signal: AbortSignal): AsyncGenerator<Rollout> {
  let last = "";
  while (!signal.aborted) {
    const rollout = await client.call(api.getRollout, { params: { id } });
    const picture = JSON.stringify([rollout.phase, rollout.because, rollout.counts, rollout.restored, rollout.awaitingWindow]);
    if (picture !== last) yield rollout;
    last = picture;
    if (phasesThatEnd.includes(rollout.phase)) return;
    await wait(everyMs, undefined, { signal }).catch(() => undefined);
  }
}

export const watchLine = (rollout: Rollout): string =>
  `${new Date().toISOString().slice(11, 19)} ${rollout.phase.padEnd(12)} ${rollout.because} [${countsLine(rollout.counts)}${rollout.awaitingWindow ? `; ${rollout.awaitingWindow} ready for their window` : ""}]`;

export function rolloutWatch(rollout: Command): void {
  addVerb(rollout, {
    usage: "watch <id>",
    summary:
      "Follows a rollout to its end, so that a pipeline can wait on it: exit 5 when it was halted or cancelled, 6 when the wait ended first",
    flags: [["--timeout <duration>", "how long to wait at most; to its end where left out. The rollout goes on in any case"]],
    example: "rollout watch rol_… --timeout 2h",
    async run(session, given) {
      const client = await session.client();
      const id = word(given, 0);
      const patience = patienceOf(text(given.flags, "timeout"));
      let last: Rollout | undefined;
      for await (const seen of watchRollout(client, id, AbortSignal.any([untilInterrupted(), patience]))) {
        last = seen;
        session.out.event(seen, watchLine(seen));
      }
      if (last && last.phase !== "completed") throw endOf(last, patience);
    },
  });
}

function patienceOf(given: string | undefined): AbortSignal {
  if (given === undefined) return new AbortController().signal;
  const length = parseDuration(given);
  if (length === undefined) throw cliProblems.usage(`--timeout: "${given}" is no length of time such as 2h.`);
  return AbortSignal.timeout(length);
}

/** What a rollout that did not complete is told as. */
function endOf({ id, phase, because }: Rollout, patience: AbortSignal): Error {
  if (phasesThatEnd.includes(phase))
    return cliProblems.rollout_halted(`The rollout ended ${phase.replaceAll("_", " ")}: ${because}`, {
      fix: `Read why: tenfold rollout report ${id}`,
    });
  const why = patience.aborted ? "The wait ended before the rollout did" : "The watching was broken off";
  return cliProblems.rollout_goes_on(`${why}. It is ${phase.replaceAll("_", " ")}: ${because}`, {
    fix: `It goes on by itself. Follow it: tenfold rollout watch ${id}`,
  });
}
