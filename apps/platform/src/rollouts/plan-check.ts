import { humanDuration, minutes, parseDuration } from "@tenfold/base";
import { type MaintenanceWindow, type RolloutPlan, updateSteps } from "@tenfold/contracts";
import { rolloutProblems } from "./errors.ts";
import { isZone, lengthOf, shortestWindow } from "./windows.ts";

/** Refuses what a schema cannot see, and names the field. */
export function refuseUnclear(plan: RolloutPlan): void {
  refuseStages(plan);
  refuseDurations(plan);
  refuseWindows(plan.windows);
}

function refuseStages({ stages }: RolloutPlan): void {
  stages.forEach(({ share }, i) => {
    const before = stages[i - 1]?.share ?? 0;
    if (share <= before)
      throw rolloutProblems.rollout_stages_invalid(
        `Stage ${i + 1} reaches ${share}, and ${before} was reached before it: shares are cumulative and must grow.`,
        { field: `stages.${i}.share` },
      );
  });
}

function refuseDurations(plan: RolloutPlan): void {
  if ((parseDuration(plan.deadline) ?? 0) < 1_000)
    throw rolloutProblems.rollout_duration_invalid(`A deadline of ${plan.deadline} leaves no time to update.`, {
      field: "deadline",
      fix: "Give at least PT1S.",
    });
  for (const step of updateSteps) {
    const given = plan.stepTimeouts?.[step];
    if (given !== undefined && (parseDuration(given) ?? 0) < 1_000)
      throw rolloutProblems.rollout_duration_invalid(`${given} leaves no time for the step ${step}.`, {
        field: `stepTimeouts.${step}`,
        fix: "Give at least PT1S, or leave it out: then the deadline alone holds.",
      });
  }
  for (const field of ["soak", "jitter", "giveUpAfter"] as const) {
    if (parseDuration(plan[field]) === undefined)
      throw rolloutProblems.rollout_duration_invalid(`${plan[field]} is not a duration.`, { field });
  }
  if ((parseDuration(plan.jitter) ?? 0) > minutes(7 * 24 * 60))
    throw rolloutProblems.rollout_duration_invalid(`A jitter of ${plan.jitter} is longer than a week.`, { field: "jitter" });
  if (plan.retries.most > 0 && (parseDuration(plan.retries.backoff) ?? 0) < minutes(1))
    throw rolloutProblems.rollout_duration_invalid(`A backoff of ${plan.retries.backoff} would hammer whatever failed.`, {
      field: "retries.backoff",
      fix: "Give at least PT1M.",
    });
}

/** Windows of a plan or of the policy. */
export function refuseWindows(windows: readonly MaintenanceWindow[]): void {
  windows.forEach((window, i) => {
    if (!window.zone.startsWith("tag:") && !isZone(window.zone))
      throw rolloutProblems.rollout_window_invalid(`"${window.zone}" is no time zone.`, {
        field: `windows.${i}.zone`,
        fix: "Write a name of the IANA database such as Europe/Berlin, or tag:KEY for each device's own.",
      });
    if (lengthOf(window) < shortestWindow)
      throw rolloutProblems.rollout_window_invalid(
        `A window from ${window.from} to ${window.to} is shorter than ${humanDuration(shortestWindow)}.`,
        { field: `windows.${i}.to` },
      );
  });
}
