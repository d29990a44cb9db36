import { setTimeout as wait } from "node:timers/promises";
import { type ApiClient, api, type Rollout } from "@tenfold/contracts";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { untilInterrupted } from "../../live.ts";
import { addVerb, word } from "../../verb.ts";
import { countsLine, phasesThatEnd } from "./describe.ts";

const everyMs = 1_000;

/** Tells each change of a rollout until it has ended. */
export async function* watchRollout(client: ApiClient, id: string, signal: AbortSignal): AsyncGenerator<Rollout> {
  let last = "";
  while (!signal.aborted) {
    const rollout = await client.call(api.getRollout, { params: { id } });
    const picture = JSON.stringify([rollout.phase, rollout.because, rollout.counts, rollout.restored]);
    if (picture !== last) yield rollout;
    last = picture;
    if (phasesThatEnd.includes(rollout.phase)) return;
    await wait(everyMs, undefined, { signal }).catch(() => undefined);
  }
}

export const watchLine = (rollout: Rollout): string =>
  `${new Date().toISOString().slice(11, 19)} ${rollout.phase.padEnd(12)} ${rollout.because} [${countsLine(rollout.counts)}]`;

export function rolloutWatch(rollout: Command): void {
  addVerb(rollout, {
    usage: "watch <id>",
    summary: "Follows a rollout to its end; exits 5 when it was halted, so that a pipeline can wait on it",
    async run(session, given) {
      const client = await session.client();
      let phase: Rollout["phase"] = "running";
      for await (const seen of watchRollout(client, word(given, 0), untilInterrupted())) {
        phase = seen.phase;
        session.out.event(seen, watchLine(seen));
      }
      if (phase === "halted" || phase === "rolled_back")
        throw cliProblems.rollout_halted(`The rollout ended ${phase}.`, {
          fix: `Read why: tenfold rollout report ${word(given, 0)}`,
        });
    },
  });
}
