import type { RolloutPhase } from "@tenfold/contracts";
import type { Verdict } from "../access/judge.ts";
import { words } from "../format.ts";

export type RolloutVerb = "pause" | "resume" | "rollback" | "cancel" | "override-freeze";

const from: Record<RolloutVerb, readonly RolloutPhase[]> = {
  pause: ["running"],
  resume: ["paused"],
  cancel: ["awaiting_approval", "running", "paused"],
  rollback: ["running", "paused", "halted", "completed"],
  "override-freeze": ["awaiting_approval", "running", "paused"],
};

/** Whether a rollout in this phase can be changed so, by a person who may. The server decides; this explains an idle button. */
export function judgeRolloutChange(verb: RolloutVerb, phase: RolloutPhase, allowed: Verdict): Verdict {
  if (!allowed.allowed || from[verb].includes(phase)) return allowed;
  return {
    allowed: false,
    because: `The rollout is ${words(phase)}; this needs one that is ${from[verb].map(words).join(" or ")}.`,
  };
}
