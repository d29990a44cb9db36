import { days, hash32, minutes, parseDuration } from "@tenfold/base";
import type { DeploymentReason, DeploymentState, RetryRule } from "@tenfold/contracts";

type RetryClass = RetryRule["on"][number];

/** Reasons that another try may mend. What is not named here is never tried again: a signature, a boot, a health check. */
const classes = {
  network: ["download_network", "download_hash_mismatch", "download_size_mismatch", "download_timed_out", "download_other"],
  space: ["download_no_space", "install_no_space"],
  install: ["install_write_failed", "install_timed_out", "install_other", "verify_other"],
  unreached: ["silent_after_offer"],
} as const satisfies Record<RetryClass, readonly DeploymentReason[]>;

export type Retries = { most: number; backoffMs: number; on: readonly RetryClass[] };

export const retriesOf = ({ most, backoff, on }: RetryRule): Retries => ({
  most,
  backoffMs: parseDuration(backoff) ?? minutes(5),
  on,
});

/** Another try of an update that failed: the row that takes its place; `halted` where the rollout hands nothing out any more. */
export type Retry = { attempt: number; notBefore: number; because: string; halted?: true };

type Booted = { attempt: number; rollback: boolean; state: DeploymentState; version: string; sha256: string };

/** A stone was booted and verified: the release itself, or the next stone, is next. Undefined for whatever is no stone. */
export function nextAfterStone(
  { attempt, rollback, state, version, sha256 }: Booted,
  release: { version: string; sha256: string },
  at: number,
): Retry | undefined {
  if (rollback || state !== "succeeded" || sha256 === release.sha256) return undefined;
  return {
    attempt: attempt + 1,
    notBefore: at,
    because: `It booted ${version}, a stepping stone on its way to ${release.version}.`,
  };
}

type Failed = {
  device: string;
  attempt: number;
  rollback: boolean;
  state: DeploymentState;
  reason: DeploymentReason | undefined;
};

/** Whether a failed update is tried again, and when. A rollback never is by this rule: it has its own. */
export function retryOf({ device, attempt, rollback, state, reason }: Failed, rule: Retries, at: number): Retry | undefined {
  if (rollback || reason === undefined || attempt > rule.most) return undefined;
  const tried = state === "failed" || (state === "skipped" && reason === "silent_after_offer");
  const hopeful = rule.on.some((name) => (classes[name] as readonly DeploymentReason[]).includes(reason));
  if (!tried || !hopeful) return undefined;
  const wait = Math.min(days(1), rule.backoffMs * 2 ** (attempt - 1));
  // Up to a fifth longer, so that devices that failed together do not come back together.
  const notBefore = at + wait + Math.round((wait / 5) * (hash32(`${device}/${attempt}`) / 2 ** 32));
  return { attempt: attempt + 1, notBefore, because: `Try ${attempt} of ${rule.most + 1} failed: ${reason}.` };
}
