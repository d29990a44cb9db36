import type { DeploymentReason, DeploymentReport, DeploymentState, Heartbeat } from "@tenfold/contracts";
import type { Retry } from "./retries.ts";
import { type Firmware, isInFlight } from "./rollout.ts";
import { deadlineOf, stepOf, type Timeouts } from "./steps.ts";

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
  /** Older boots of the device that are known: what they say comes late. */
  boots: readonly string[];
  /** The highest number of its heartbeats that was seen before the update's own boot. */
  seq?: number;
  /** Its numbers went on over the reboot, as they must (device.md D11). */
  numbered?: boolean;
  /** What is numbered below was said before this update. Only for devices whose numbers can be relied on. */
  seqFloor?: number;
  previous?: Firmware;
  offeredAt: number;
  acceptedAt?: number;
  /** Since when the release lies on the device, and since when it installs it. */
  downloadedAt?: number;
  installingAt?: number;
  rebootingAt?: number;
  verifiedAt?: number;
  returnedAt?: number;
  returnedWith?: "new" | "old";
  /** The boot in which it was heard again. */
  returnedBoot?: string;
  reason?: DeploymentReason;
  detail?: string;
  progress?: number;
  log: readonly string[];
  endedAt?: number;
  /** When the step that it is in must be done, and the whole. */
  deadlineAt?: number;
  finalAt?: number;
  /** It was offered to download ahead of its window; whether it waits for that with nothing to do, and when it was let install. */
  ahead?: boolean;
  awaits?: boolean;
  goAt?: number;
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
  if (!isInFlight(deployment.state)) return whyItFellBack(deployment, report);
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
      return { ...told, state: report.state, ...reached(deployment, report.state, at) };
    }
  }
}

/** When it came so far, the first time. */
function reached(deployment: Watched, state: DeploymentState, at: number): Partial<Watched> {
  const [reaches, installing, rebooting] = [rank(state), rank("installing"), rank("rebooting")];
  return {
    ...(reaches >= rank("downloaded") ? { downloadedAt: deployment.downloadedAt ?? at } : {}),
    ...(reaches >= installing ? { installingAt: deployment.installingAt ?? at } : {}),
    ...(reaches >= rebooting ? { rebootingAt: deployment.rebootingAt ?? at } : {}),
  };
}

/** That it fell back its next boot has told already; why, only the device can say: its late word completes the record and ends nothing anew. */
function whyItFellBack(deployment: Watched, report: DeploymentReport): Watched | undefined {
  if (deployment.state !== "rolled_back" || deployment.reason !== "boot_fell_back" || report.state !== "rolled_back")
    return undefined;
  const { reason } = report;
  return reason === undefined || reason === "boot_fell_back" ? undefined : { ...deployment, ...said(report), reason };
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

export type Beat = Pick<Heartbeat, "bootId" | "firmware"> & { seq?: number | undefined };

/**
 * What a heartbeat changes. The only way to success: another boot than the one before the update, the release's own bytes, confirmed
 * (docs/decisions/0006-verified-boot-is-success.md).
 */
export function applyHeartbeat(deployment: Watched, { bootId, firmware, seq }: Beat, at: number): Watched | undefined {
  if (isStale(deployment, { bootId, seq }, at)) return undefined;
  const onTarget = firmware.hash === undefined ? firmware.version === deployment.version : firmware.hash === deployment.sha256;
  const proven = onTarget && firmware.state === "confirmed" && bootId !== deployment.bootId;
  if (hasEnded(deployment)) return cameBack(deployment, { with: onTarget ? "new" : "old", boot: bootId, seq, proven, at });
  if (!isInFlight(deployment.state)) return undefined;
  if (bootId === deployment.bootId) return noteNumber(deployment, seq);
  if (proven) return { ...deployment, state: "succeeded", verifiedAt: at, endedAt: at, ...numbering(deployment, seq) };
  if (onTarget) return onTrial(deployment, at);
  if (deployment.rebootingAt === undefined || at <= deployment.rebootingAt) return rebooted(deployment, { bootId, seq });
  return fellBack(deployment, firmware, at);
}

const noteNumber = (deployment: Watched, seq: number | undefined): Watched | undefined =>
  seq === undefined || deployment.seq !== undefined ? undefined : { ...deployment, seq };

const onTrial = (deployment: Watched, at: number): Watched | undefined =>
  deployment.state === "validating" ? undefined : { ...deployment, state: "validating", ...reached(deployment, "validating", at) };

/** What its plan says; `halted` where it is to install nothing any more, so that there is no window to be patient for. */
type Times = { timeouts: Timeouts | undefined; deadlineMs: number; giveUpAfterMs: number; halted?: boolean };

/**
 * A step that has just begun has its own time, where its plan gives it one; one whose deadline was put off keeps that. Who has downloaded ahead of its
 * window has nothing to do, until it is let install or begins without having been let.
 */
export function withDeadline(before: Watched, after: Watched, times: Times, at: number): Watched {
  const step = stepOf(after.state);
  if (step === undefined) return after.awaits ? { ...after, awaits: false } : after;
  if (stepOf(before.state) === step && !(after.awaits && begins(after))) return after;
  const { ahead, goAt, offeredAt, deadlineAt = offeredAt } = after;
  if (ahead && goAt === undefined) {
    const patient = times.halted ? deadlineAt : offeredAt + times.giveUpAfterMs;
    if (!begins(after)) return { ...after, awaits: true, deadlineAt: patient };
    const finalAt = at + times.deadlineMs;
    return { ...after, awaits: false, goAt: at, finalAt, deadlineAt: deadlineOf(step, { timeouts: times.timeouts, finalAt }, at) };
  }
  if (after.finalAt === undefined) return after;
  return { ...after, deadlineAt: deadlineOf(step, { timeouts: times.timeouts, finalAt: after.finalAt }, at) };
}

const begins = ({ state }: Watched): boolean => rank(state) >= rank("installing");

const numbering = ({ seq: before }: Watched, seq: number | undefined): Pick<Watched, "seq" | "numbered"> =>
  seq === undefined ? {} : { seq, numbered: before !== undefined && before > 0 && seq > before };

/** Said before the update, however late it arrives: it tells of what was, and proves nothing. */
const isStale = ({ offeredAt, seqFloor, boots }: Watched, { bootId, seq }: Pick<Beat, "bootId" | "seq">, at: number): boolean =>
  at < offeredAt || (seq !== undefined && seqFloor !== undefined && seq < seqFloor) || boots.includes(bootId);

/** A power cut on the way: that boot is now the one to tell apart from, and so are those before it. */
const rebooted = (deployment: Watched, { bootId, seq }: Pick<Beat, "bootId" | "seq">): Watched => ({
  ...deployment,
  bootId,
  ...(seq === undefined ? {} : { seq }),
  boots: deployment.bootId === undefined ? deployment.boots : [...deployment.boots, deployment.bootId].slice(-50),
});

const hasEnded = ({ state }: Watched): boolean => !isInFlight(state) && state !== "succeeded" && state !== "queued";

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

/** The record of an ended update is completed, not rewritten: that it was silent past its deadline, or failed, counted. */
function cameBack(
  deployment: Watched,
  {
    with: returnedWith,
    boot,
    seq,
    proven,
    at,
  }: { with: "new" | "old"; boot: string; seq: number | undefined; proven: boolean; at: number },
): Watched | undefined {
  if (deployment.returnedWith === "new") return undefined;
  // That it came back with the old release is not its last word: it may have been on its way into the new one still, or what it said then was late.
  const provisional = deployment.returnedBoot !== undefined && deployment.returnedBoot === deployment.bootId;
  const again = deployment.returnedAt !== undefined && (!provisional || boot === deployment.returnedBoot);
  if (again && returnedWith === "old") return undefined;
  // It had told how it ended. That it comes up with the release all the same is news; that it does not is none.
  if (!wasSilent(deployment) && returnedWith === "old") return undefined;
  // A device on trial has not decided yet which release it came back with.
  if (returnedWith === "new" && !proven) return undefined;
  const back = { ...deployment, returnedAt: at, returnedWith, returnedBoot: boot };
  return proven ? { ...back, verifiedAt: at, ...numbering(deployment, seq) } : back;
}
