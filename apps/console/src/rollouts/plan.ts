import { formatDuration, parseDuration } from "@tenfold/base";
import { completePlan, type RolloutPlan, rolloutPlan } from "@tenfold/contracts";
import { percent } from "../format.ts";

/** The fields of the form, as typed. */
export type PlanDraft = {
  release: string;
  filter: string;
  stages: string;
  haltAbove: string;
  deadline: string;
  soak: string;
  atOnce: string;
  onHalt: RolloutPlan["onHalt"];
};

export type PlanReading =
  | { is: "plan"; plan: RolloutPlan }
  | { is: "incomplete"; faults: Partial<Record<keyof PlanDraft, string>> };

/** The contract's own defaults, as a person would type them. */
export function draftOf(release: string): PlanDraft {
  const plan = rolloutPlan.parse({ release: "any" });
  return {
    release,
    filter: plan.filter,
    stages: plan.stages.map((stage) => percent(stage.share).replace(" ", "")).join(", "),
    haltAbove: percent(plan.haltAbove),
    deadline: "1h",
    soak: "5m",
    atOnce: String(plan.atOnce),
    onHalt: plan.onHalt,
  };
}

/** Reads the form, or says at each field what is missing. */
export function readPlan(draft: PlanDraft): PlanReading {
  const stages = draft.stages
    .split(/[,;→\s]+/)
    .filter((word) => word !== "" && word !== "%")
    .map(parseShare);
  const haltAbove = parseShare(draft.haltAbove);
  const deadline = parseDuration(draft.deadline.trim());
  const soak = parseDuration(draft.soak.trim());
  const atOnce = Number(draft.atOnce);
  const faults: Partial<Record<keyof PlanDraft, string>> = {};
  if (draft.release === "") faults.release = "Choose a release.";
  const stageFault = faultOfStages(stages);
  if (stageFault) faults.stages = stageFault;
  if (haltAbove === undefined) faults.haltAbove = "A share such as 5 %.";
  if (deadline === undefined || deadline === 0) faults.deadline = "A length of time such as 1h or 30m.";
  if (soak === undefined) faults.soak = "A length of time such as 5m.";
  if (!Number.isInteger(atOnce) || atOnce < 1 || atOnce > 100_000) faults.atOnce = "A whole number from 1 to 100,000.";
  if (Object.keys(faults).length > 0 || haltAbove === undefined || deadline === undefined || soak === undefined)
    return { is: "incomplete", faults };
  return {
    is: "plan",
    plan: completePlan({
      release: draft.release,
      filter: draft.filter.trim(),
      stages: stages.flatMap((share) => (share === undefined ? [] : [{ share }])),
      haltAbove,
      deadline: formatDuration(deadline),
      soak: formatDuration(soak),
      atOnce,
      onHalt: draft.onHalt,
    }),
  };
}

function faultOfStages(stages: readonly (number | undefined)[]): string | undefined {
  if (stages.length === 0) return "At least one share, such as 5%, 25%, 100%.";
  if (stages.some((share) => share === undefined || share === 0)) return "Shares of all targets, above 0 and up to 100 %.";
  const rising = stages.every((share, place) => place === 0 || (share ?? 0) > (stages[place - 1] ?? 0));
  return rising ? undefined : "Shares are cumulative: each must be larger than the one before.";
}

/** Reads `5 %`, `5%` or `5` as 0.05. */
export function parseShare(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*%?$/.exec(text.trim());
  const value = match ? Number(match[1]) / 100 : Number.NaN;
  return value >= 0 && value <= 1 ? Number(value.toFixed(6)) : undefined;
}
