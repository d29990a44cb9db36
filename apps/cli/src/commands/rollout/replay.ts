import { api, type RolloutReplay } from "@tenfold/contracts";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { addVerb, word } from "../../verb.ts";

export function rolloutReplay(rollout: Command): void {
  addVerb(rollout, {
    usage: "replay <id>",
    summary: "Decides everything again from the stored evidence; exits 1 when anything comes out different",
    async run(session, given) {
      const replay = await (await session.client()).call(api.replayRollout, { params: { id: word(given, 0) } });
      session.out.one(replay, () => describeReplay(replay));
      const different = replay.different + replay.comparisons.different;
      if (different > 0)
        throw cliProblems.replay_different(`${different} of what was decided comes out different.`, {
          fix: "Another version of the engine decided it, or the evidence was changed: compare with the audit trail (tenfold audit verify).",
        });
    },
  });
}

function describeReplay({ verdicts, equal, different, comparisons, byPeople }: RolloutReplay): string[] {
  return [
    `${equal} passes of the engine come out equal, ${different} different; ${comparisons.equal} comparisons equal, ${comparisons.different} different.`,
    ...verdicts.flatMap(({ at, decisions, verdict, difference }) => [
      `  ${at} ${verdict.padEnd(9)} ${decisions.map(({ decision, devices }) => (devices > 0 ? `${decision} (${devices})` : decision)).join(", ")}`,
      ...(difference === undefined ? [] : [`      ${difference}`]),
    ]),
    ...(byPeople.length > 0
      ? ["", "By people, with nothing to decide again", ...byPeople.map((one) => `  ${one.at} ${one.decision}: ${one.because}`)]
      : []),
  ];
}
