import { mayWait } from "./installs.ts";
import type { Overdue } from "./picture.ts";
import { type Retry, retryOf } from "./retries.ts";
import { type Ending, isHalted, type Rollout } from "./rollout.ts";
import { stepOf, timedOut } from "./steps.ts";

export type Expire = { do: "expire"; deployment: string; device: string } & Ending;

/** How a deployment ends whose time is over. Silence is an outcome: only a device that could not have heard the offer is let off. */
export function expire(overdue: Overdue, rollout: Rollout, now: number): Expire {
  const { deployment, device, rollback, attempt } = overdue;
  const end = untouchedEnd(overdue, rollout, now) ?? heardEnd(overdue) ?? silentEnd(overdue);
  const retry = isHalted(rollout.phase) ? undefined : again();
  return { do: "expire", deployment, device, ...end, ...(retry ? { retry } : {}) };

  function again(): Retry | undefined {
    return retryOf({ device, attempt, rollback, state: end.to, reason: end.reason }, rollout.retries, now);
  }
}

/** Nothing can have been installed: it had not taken the offer when the rollout halted, or had not been let install. */
function untouchedEnd(overdue: Overdue, rollout: Rollout, now: number): Ending | undefined {
  const { state, rollback, ahead, goAt, awaits } = overdue;
  const waits = ahead && (goAt === undefined || mayWait(overdue, now));
  if (isHalted(rollout.phase) && !rollback && (state === "offered" || waits))
    return { to: "cancelled", reason: "rollout_halted", detail: "It had not begun when the rollout halted." };
  if (!awaits) return undefined;
  return {
    to: "skipped",
    reason: "could_not_be_installed",
    detail: "It waited for its window for as long as the plan is patient.",
  };
}

/** A way back that is not gone is silent, whatever is heard beside: the next sign of life begins it anew. */
function heardEnd({ state, heard, rollback }: Overdue): Ending | undefined {
  const step = stepOf(state);
  if (!heard || rollback || step === undefined || state === "offered") return undefined;
  return { to: "failed", reason: timedOut[step], detail: `It is heard, and was still ${state} when its time for that was over.` };
}

function silentEnd({ state, onlineAtOffer }: Overdue): Ending {
  if (state === "rebooting" || state === "validating")
    return {
      to: "unresponsive",
      reason: "silent_after_reboot",
      detail: "It rebooted into the update and was not heard with it before its deadline.",
    };
  if (state !== "offered")
    return {
      to: "unresponsive",
      reason: "silent_during_update",
      detail: `It was last heard ${state} and not again before its deadline.`,
    };
  if (onlineAtOffer)
    return {
      to: "unresponsive",
      reason: "silent_after_offer",
      detail: "It was online when the release was offered and did not take it before its deadline.",
    };
  return {
    to: "skipped",
    reason: "silent_after_offer",
    detail: "It was offline when the release was offered and did not come back before its deadline.",
  };
}
