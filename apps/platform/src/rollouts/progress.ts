import type { DeploymentReason, DeploymentReport, DeploymentState, Heartbeat } from "@tenfold/contracts";
import type { Retry } from "./retries.ts";
import { type Firmware, isInFlight } from "./rollout.ts";

/** A deployment as far as messages from its device can change it. Times in ms. */
export type Watched = {
  id: string;
  rollout: string;
  device: string;
  rollback: boolean;
  attempt: number;
  state: DeploymentState;
  /** What it should run in the end. */
  version: string;
  sha256: string;
  /** The last boot seen before the update's own reboot. */
  bootId?: string;
  previous?: Firmware;
  offeredAt: number;
  acceptedAt?: number;
  rebootingAt?: number;
  verifiedAt?: number;
  returnedAt?: number;
  returnedWith?: "new" | "old";
  reason?: DeploymentReason;
  detail?: string;
  progress?: number;
  log: readonly string[];
  endedAt?: number;
  /** The try that takes its place. */
  retry?: Retry;
};

const order: readonly DeploymentState[] = [
  "queued",
  "offered",
  "downloading",
  "downloaded",
  "verified",
  "installing",
  "rebooting",
  "validating",
];
const rank = (state: DeploymentState): number => order.indexOf(state);

/**
 * What a report changes; undefined when it changes nothing (it is late, repeated, or for a deployment that has ended). States only go
 * forward, because reports overtake each other; and no report is a success, because an installer that has finished has not booted.
 */
export function applyReport(deployment: Watched, report: DeploymentReport, at: number): Watched | undefined {
  if (!isInFlight(deployment.state)) return undefined;
  const told = { ...deployment, ...said(report), acceptedAt: deployment.acceptedAt ?? at };
  switch (report.state) {
    case "failed":
    case "rolled_back":
    case "skipped":
    case "cancelled": {
      const reason = report.reason ?? defaultReason(report.state, deployment.state);
      return { ...told, state: report.state, endedAt: at, ...(reason === undefined ? {} : { reason }) };
    }
    default: {
      if (rank(report.state) < rank(deployment.state)) return undefined;
      const rebooting = report.state === "rebooting" || report.state === "validating";
      return { ...told, state: report.state, ...(rebooting ? { rebootingAt: deployment.rebootingAt ?? at } : {}) };
    }
  }
}

const said = ({ detail, progress, log }: DeploymentReport): Pick<Partial<Watched>, "detail" | "progress" | "log"> => ({
  ...(detail === undefined ? {} : { detail }),
  ...(progress === undefined ? {} : { progress }),
  ...(log === undefined ? {} : { log }),
});

/** The closed list has an answer also for a device that names no reason: the stage it was in. */
function defaultReason(ended: DeploymentState, during: DeploymentState): DeploymentReason | undefined {
  if (ended === "rolled_back") return "boot_fell_back";
  if (ended !== "failed") return undefined;
  if (during === "downloaded") return "verify_other";
  if (during === "verified" || during === "installing") return "install_other";
  if (during === "rebooting" || during === "validating") return "validate_self_test_failed";
  return "download_other";
}

/**
 * What a heartbeat changes. The only way to success: another boot than the one before the update, the release's own bytes, confirmed
 * (docs/decisions/0006-verified-boot-is-success.md).
 */
export function applyHeartbeat(
  deployment: Watched,
  { bootId, firmware }: Pick<Heartbeat, "bootId" | "firmware">,
  at: number,
): Watched | undefined {
  if (at < deployment.offeredAt) return undefined;
  const onTarget = firmware.hash === undefined ? firmware.version === deployment.version : firmware.hash === deployment.sha256;
  const proven = onTarget && firmware.state === "confirmed" && bootId !== deployment.bootId;
  if (wasSilent(deployment)) return cameBack(deployment, { with: onTarget ? "new" : "old", proven, at });
  if (!isInFlight(deployment.state) || bootId === deployment.bootId) return undefined;
  if (proven) return { ...deployment, state: "succeeded", verifiedAt: at, endedAt: at };
  if (onTarget)
    return deployment.state === "validating"
      ? undefined
      : { ...deployment, state: "validating", rebootingAt: deployment.rebootingAt ?? at };
  if (deployment.rebootingAt === undefined || at <= deployment.rebootingAt) return { ...deployment, bootId };
  return fellBack(deployment, firmware, at);
}

/** Ended by silence, so that a sign of life is news. */
const wasSilent = ({ state, reason }: Watched): boolean =>
  state === "unresponsive" || (state === "skipped" && reason === "silent_after_offer");

/** It rebooted into the update, and what runs is not the update. */
function fellBack(deployment: Watched, firmware: Heartbeat["firmware"], at: number): Watched {
  const { previous } = deployment;
  const asBefore =
    previous === undefined ||
    (firmware.hash !== undefined && previous.hash !== undefined
      ? firmware.hash === previous.hash
      : firmware.version === previous.version);
  return asBefore
    ? {
        ...deployment,
        state: "rolled_back",
        reason: "boot_fell_back",
        detail: `It came back with ${firmware.version} after the reboot.`,
        endedAt: at,
      }
    : {
        ...deployment,
        state: "failed",
        reason: "validate_wrong_version",
        detail: `It came back with ${firmware.version}, which is neither the old nor the new release.`,
        endedAt: at,
      };
}

/** The record of a silent device is completed, not rewritten: it was silent past its deadline, and that counted. */
function cameBack(
  deployment: Watched,
  { with: returnedWith, proven, at }: { with: "new" | "old"; proven: boolean; at: number },
): Watched | undefined {
  if (deployment.returnedAt !== undefined) return undefined;
  // A device on trial has not decided yet which release it came back with.
  if (returnedWith === "new" && !proven) return undefined;
  return { ...deployment, returnedAt: at, returnedWith, ...(proven ? { verifiedAt: at } : {}) };
}
