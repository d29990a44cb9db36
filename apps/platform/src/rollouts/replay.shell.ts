import type { Scope } from "@tenfold/base";
import type { RolloutReplay } from "@tenfold/contracts";
import { decisionsOf, pageOfPasses } from "./decisions.shell.ts";
import type { RolloutsDeps } from "./deps.ts";
import { sameRank } from "./guards/matching.ts";
import { comparisonsOf } from "./guards/store.ts";
import { type KeptPass, replayPasses } from "./replay.ts";

/** Passes are read a few at a time: each may hold what was seen of hundreds of devices. */
const page = 100;

/** How the engine's last decision is called, by where it leads. */
const ends = new Set(["completed", "rolled_back", "settled"]);

/** Replays everything that a rollout's engine decided. */
export async function replayRollout({ db }: Pick<RolloutsDeps, "db">, scope: Scope, rollout: string): Promise<RolloutReplay> {
  const verdicts: RolloutReplay["verdicts"] = [];
  const comparisons = await comparisonsOf(db, scope, rollout);
  for (let after = 0; ; ) {
    const passes = await pageOfPasses(db, scope, { rollout, after, limit: page });
    // Written by `insertPass` and by nothing else; what another version wrote is told as different.
    verdicts.push(...replayPasses(passes as unknown as KeptPass[], comparisons));
    const last = passes.at(-1);
    if (last === undefined || passes.length < page) break;
    after = last.seq;
  }
  const sameRanks = comparisons.filter(sameRank).length;
  const byEngine = new Set(verdicts.flatMap(({ at, decisions }) => decisions.map(({ decision }) => `${at} ${decision}`)));
  const decisions = (await decisionsOf(db, scope, rollout)).map(({ at, decision, because }) => ({
    at: new Date(at).toISOString(),
    decision,
    because,
  }));
  const equal = verdicts.filter(({ verdict }) => verdict === "equal").length;
  return {
    equal,
    different: verdicts.length - equal,
    comparisons: { equal: sameRanks, different: comparisons.length - sameRanks },
    verdicts,
    byPeople: decisions.filter(({ at, decision }) => !ends.has(decision) && !byEngine.has(`${at} ${decision}`)),
  };
}
