import { parseDuration } from "@tenfold/base";
import { type PlanTemplate, planTemplate, type RolloutPlan, rolloutPlan, updateSteps } from "@tenfold/contracts";
import { percent } from "../format.ts";
import { writeWindow } from "./window-line.ts";

/** The fields of the form, as typed. An empty text is a rule that the plan does not have. */
export type PlanDraft = {
  release: string;
  filter: string;
  stages: string;
  strata: string;
  perStratum: string;
  haltAbove: string;
  soak: string;
  deadline: string;
  stepTimeouts: string;
  onHalt: RolloutPlan["onHalt"];
  atOnce: string;
  perMinute: string;
  jitter: string;
  weight: string;
  windows: string;
  downloadAhead: boolean;
  batteryAtLeast: string;
  mains: boolean;
  bearers: string;
  unmetered: boolean;
  unknown: RolloutPlan["conditions"]["unknown"];
  requiresDevice: string;
  requiresRollouts: string;
  approvals: string;
  lateJoiners: RolloutPlan["lateJoiners"];
  giveUpAfter: string;
  retryOn: string;
  retryMost: string;
  retryBackoff: string;
  guards: string;
  guardWindow: string;
  guardSettle: string;
  guardFalseHalts: string;
  guardLeast: string;
  guardMatchBy: string;
};

/** A plan as a person would type it: what `readPlan` reads back to the same. */
export function draftOf(plan: RolloutPlan): PlanDraft {
  const { conditions, requires, retries, guards } = plan;
  return {
    ...{ release: plan.release, filter: plan.filter, onHalt: plan.onHalt, lateJoiners: plan.lateJoiners },
    stages: plan.stages.map(({ share }) => shareOf(share)).join(", "),
    strata: plan.strata.join(", "),
    perStratum: String(plan.perStratum),
    haltAbove: percent(plan.haltAbove),
    soak: lengthWord(plan.soak),
    deadline: lengthWord(plan.deadline),
    stepTimeouts: updateSteps
      .flatMap((step) => {
        const length = plan.stepTimeouts?.[step];
        return length === undefined ? [] : `${step} ${lengthWord(length)}`;
      })
      .join(", "),
    atOnce: String(plan.atOnce),
    perMinute: plan.perMinute === undefined ? "" : String(plan.perMinute),
    jitter: lengthWord(plan.jitter),
    weight: String(plan.weight),
    windows: plan.windows.map(writeWindow).join("\n"),
    downloadAhead: plan.download === "ahead",
    batteryAtLeast: conditions.batteryAtLeast === undefined ? "" : percent(conditions.batteryAtLeast),
    mains: conditions.mains === true,
    bearers: conditions.bearers?.join(", ") ?? "",
    unmetered: conditions.unmetered === true,
    unknown: conditions.unknown,
    requiresDevice: requires.device,
    requiresRollouts: requires.rollouts.join(", "),
    approvals: String(plan.approvals),
    giveUpAfter: lengthWord(plan.giveUpAfter),
    retryOn: retries.on.join(", "),
    retryMost: String(retries.most),
    retryBackoff: lengthWord(retries.backoff),
    guards: guards.watch.join(", "),
    guardWindow: guards.window === undefined ? "" : lengthWord(guards.window),
    guardSettle: lengthWord(guards.settle),
    guardFalseHalts: percent(guards.falseHalts),
    guardLeast: String(guards.least),
    guardMatchBy: guards.matchBy.join(", "),
  };
}

/** The contract's own defaults for a release. */
export const newDraft = (release: string): PlanDraft => ({ ...draftOf(rolloutPlan.parse({ release: "any" })), release });

const shareOf = (share: number): string => percent(share, 4).replace(" ", "");

/** The shortest way to write a length: `1h`, `90m`, `0s`. */
export function lengthWord(duration: string): string {
  const length = parseDuration(duration);
  if (length === undefined) return duration;
  for (const [sign, unit] of [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
  ] as const)
    if (length > 0 && length % unit === 0) return `${length / unit}${sign}`;
  return `${length / 1_000}s`;
}

/** What is to be stored of a plan under a name: what differs from the defaults, so that the rest follows them. */
export function templateOf(plan: RolloutPlan): PlanTemplate {
  const { release: _release, ...terms } = plan;
  const usual = rolloutPlan.parse({ release: "any" });
  const differs = ([name, value]: [string, unknown]) => JSON.stringify(value) !== JSON.stringify(usual[name as keyof RolloutPlan]);
  return planTemplate.parse(Object.fromEntries(Object.entries(terms).filter(differs)));
}
