import type { RolloutReplay } from "@tenfold/contracts";
import type { RankCount } from "./guards/evidence.ts";
import type { Picture } from "./picture.ts";
import { planRollout, type Step } from "./plan.ts";
import type { Rollout } from "./rollout.ts";

/** What the engine saw and decided, as it was kept. */
export type KeptPass = { at: number; saw: { rollout: Rollout; picture: Picture }; steps: readonly Step[] };

/** A judgement of a guard as it was kept. */
export type KeptComparison = { guard: string; at: number; controlValues: readonly number[]; worse: number; equal: number };

/** Steps on single devices say nothing that their number does not. */
const named: Readonly<Record<Step["do"], string>> = {
  offer: "offered",
  skip: "skipped",
  step_aside: "stepped_aside",
  approve: "approved",
  expire: "found_silent",
  hold: "deadline_put_off",
  let_install: "installation_allowed",
  await_window: "awaits_window",
  recall_install: "installation_recalled",
  soak: "soak_begun",
  pass_stage: "stage_passed",
  begin_stage: "stage_begun",
  pause: "paused",
  halt: "halted",
  plan_restore: "rollback_planned",
  cannot_restore: "rollback_impossible",
  stop_restoring: "rollback_stopped",
  finish: "finished",
};

/**
 * Decides again, by the same pure functions, from what was kept of every pass, and compares. Pure: whoever has the kept passes comes to
 * the same result. A pass that differs was decided by another version of the engine, or was tampered with.
 */
export function replayPasses(passes: readonly KeptPass[], comparisons: readonly KeptComparison[]): RolloutReplay["verdicts"] {
  return passes.map(({ at, saw, steps }) => {
    const again = decideAgain({ at, saw });
    const decisions = countSteps(steps);
    const kept = { at: new Date(at).toISOString(), decisions };
    if (again.is === "failed") return { ...kept, verdict: "different", difference: again.because };
    const difference = differenceOf(steps, again.steps) ?? otherSums({ at, saw }, comparisons);
    return difference === undefined ? { ...kept, verdict: "equal" } : { ...kept, verdict: "different", difference };
  });
}

type Again = { is: "decided"; steps: Step[] } | { is: "failed"; because: string };

function decideAgain({ at, saw: { rollout, picture } }: Omit<KeptPass, "steps">): Again {
  try {
    return { is: "decided", steps: planRollout(rollout, picture, at) };
  } catch (error) {
    // What was kept by another version may not be what this one can read.
    return {
      is: "failed",
      because: `This version cannot decide from it: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}

function countSteps(steps: readonly Step[]): { decision: string; devices: number }[] {
  const kinds = Map.groupBy(steps, (step) => step.do);
  return [...kinds].map(([kind, { length }]) => ({
    decision: named[kind] ?? kind,
    devices: "device" in (kinds.get(kind)?.[0] ?? {}) ? length : 0,
  }));
}

/** The first thing in which two decisions differ, as a sentence. */
function differenceOf(kept: readonly Step[], again: readonly Step[]): string | undefined {
  const length = Math.max(kept.length, again.length);
  for (let i = 0; i < length; i++) {
    const [was, is] = [kept[i], again[i]];
    if (sorted(was) === sorted(is)) continue;
    return `Step ${i + 1} of ${kept.length} was ${sorted(was) ?? "nothing"} and is now ${sorted(is) ?? "nothing"}.`.slice(0, 2_000);
  }
  return undefined;
}

/** Whether the sums that the gate went by follow from the comparisons made until then. */
function otherSums({ at, saw }: Omit<KeptPass, "steps">, comparisons: readonly KeptComparison[]): string | undefined {
  for (const { guard, counts } of saw.picture.guards ?? []) {
    const made = comparisons.filter((one) => one.guard === guard && one.at <= at);
    const again = new Map<string, number>();
    for (const { controlValues, worse, equal } of made) {
      const rank = `${controlValues.length} ${worse} ${equal}`;
      again.set(rank, (again.get(rank) ?? 0) + 1);
    }
    const same =
      counts.length === again.size && counts.every(([...count]: RankCount) => again.get(count.slice(0, 3).join(" ")) === count[3]);
    if (!same) return `What the guard ${guard} went by does not follow from the comparisons that are kept.`;
  }
  return undefined;
}

/** The same text for the same value, whatever the order of its keys: a database keeps none. */
function sorted(value: unknown): string | undefined {
  return JSON.stringify(value, (_key, one: unknown) =>
    typeof one === "object" && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  );
}
