import type { DeploymentReason, DeploymentReport, NextDeployment } from "@tenfold/contracts";

/** What a release does to a device, or a device to a release: the failure modes that no gate may take for success. */
export const modes = [
  "good",
  "says_it_is_done_and_bricks",
  "reverts_after_reboot",
  "loses_power_on_the_way",
  "disk_full",
  "wrong_hardware",
  "clock_wrong",
  "half_dead_network",
  "boot_loop_then_falls_back",
  "falls_back_after_ten_minutes",
  "keeps_rebooting",
  "silent_brick",
  "lies_about_its_version",
  "has_a_clone",
  "does_not_cancel",
  "cannot_download",
  "refuses_the_signature",
  "hangs_while_downloading",
  "hangs_while_installing",
  "never_reboots",
] as const;
export type Mode = (typeof modes)[number];

/** Modes in which the device comes up with the release in the end, if it is given time. */
export const harmless: ReadonlySet<Mode> = new Set<Mode>([
  "good",
  "loses_power_on_the_way",
  "clock_wrong",
  "half_dead_network",
  "keeps_rebooting",
  "has_a_clone",
  "does_not_cancel",
]);

export type Image = { version: string; hash: string };
type Offer = Extract<NextDeployment, { is: "offer" }>;

export type Device = {
  id: string;
  boot: number;
  /** Grows with every heartbeat, over reboots too. */
  seq: number;
  runs: Image;
  before: Image | undefined;
  alive: boolean;
  /** `mayInstallUntil`: by what it was told of its window; never where that is closed. */
  work: { offer: Offer; step: number; mode: Mode; slow: number; mayInstallUntil: number } | undefined;
  done: Set<string>;
  /** The trial boots that are still to fail. */
  trials: number;
  fallsBackIn: number | undefined;
};

export type Beat = { seq: number; bootId: string; firmware: { version: string; hash: string; state: "confirmed" | "trial" } };
/** What a device says in a step, and the image that it has truly booted and confirmed, if it has just done so. */
export type Spoken = { report?: { deployment: string; report: DeploymentReport }; booted?: Image; installs?: string };

export function take(device: Device, next: NextDeployment, { mode, now }: { mode: Mode; now: number }): void {
  leaveWhatHasEnded(device, next);
  const { work } = device;
  if (next.is === "offer" && work?.offer.deployment === next.deployment) work.mayInstallUntil = windowOf(next, now);
  if (next.is === "cancel" && work?.offer.deployment === next.deployment && work.step < 4 && work.mode !== "does_not_cancel")
    work.step = 100;
  if (next.is !== "offer" || device.done.has(next.deployment) || work !== undefined) return;
  device.work = { offer: next, step: 0, mode: next.rollback ? "good" : mode, slow: 0, mayInstallUntil: windowOf(next, now) };
}

function windowOf({ maintenanceWindow, windowClosesInS }: Offer, now: number): number {
  if (maintenanceWindow === "unavailable") return Number.NEGATIVE_INFINITY;
  return windowClosesInS === undefined ? Number.POSITIVE_INFINITY : now + windowClosesInS * 1_000;
}

/** Whoever hangs, or has not begun to install, leaves what has ended over there for what comes next. */
function leaveWhatHasEnded(device: Device, next: NextDeployment): void {
  const { work } = device;
  if (work === undefined || next.is === "cancel" || (hangsAt[work.mode] === undefined && work.step > 2)) return;
  if (next.is === "none" || next.deployment !== work.offer.deployment) end(device);
}

/** One step of a device's life. Whatever it comes up with by itself is a boot too, and so is the old image after a power cut. */
export function live(device: Device, random: () => number, now: number): Spoken {
  const { boot } = device;
  const spoken = step(device, random, now);
  return device.boot === boot || !device.alive || device.trials > 0 ? spoken : { ...spoken, booted: device.runs };
}

function step(device: Device, random: () => number, now: number): Spoken {
  if (device.trials > 0) return tryBoot(device);
  if (device.fallsBackIn !== undefined) fallBackLater(device);
  const { work } = device;
  if (work === undefined) return {};
  if (work.mode === "loses_power_on_the_way" && work.step < 4 && random() < 0.15) {
    // Power is back at once; the download goes on where it was, and the old image runs with a new boot id.
    device.boot += 1;
    return {};
  }
  return advance(device, work, now);
}

const told = [{ state: "downloading" }, { state: "verified" }, { state: "installing" }, { state: "rebooting" }] as const;
const refusals: Partial<Record<Mode, { at: number; reason: DeploymentReason }>> = {
  wrong_hardware: { at: 0, reason: "offer_incompatible_hardware" },
  refuses_the_signature: { at: 0, reason: "offer_signature_invalid" },
  cannot_download: { at: 1, reason: "download_network" },
  disk_full: { at: 2, reason: "install_no_space" },
};

/** It goes on speaking, and never comes past this step. */
const hangsAt: Partial<Record<Mode, number>> = { hangs_while_downloading: 1, hangs_while_installing: 3, never_reboots: 4 };

function advance(device: Device, work: NonNullable<Device["work"]>, now: number): Spoken {
  const { deployment } = work.offer;
  const says = (report: DeploymentReport, more: Spoken = {}): Spoken => ({ ...more, report: { deployment, report } });
  if (work.step >= 100) {
    end(device);
    return says({ state: "cancelled", reason: "rollout_halted" });
  }
  if (hangsAt[work.mode] === work.step) return {};
  // Downloaded and verified, it waits for its window, also over a power cut. What it reports it says until it was heard.
  if (work.step === 2 && now >= work.mayInstallUntil) return says({ state: "verified" });
  const refusal = refusals[work.mode];
  if (refusal?.at === work.step) {
    end(device);
    return says({ state: "failed", reason: refusal.reason, log: ["no"] });
  }
  const report = told[work.step];
  const installs = report?.state === "installing" ? { installs: deployment } : {};
  work.step += 1;
  if (report)
    return says(
      work.mode === "says_it_is_done_and_bricks" && report.state === "rebooting" ? { state: "validating", progress: 1 } : report,
      installs,
    );
  return reboot(device, work);
}

function end(device: Device): void {
  if (device.work) device.done.add(device.work.offer.deployment);
  device.work = undefined;
}

function reboot(device: Device, { offer, mode }: NonNullable<Device["work"]>): Spoken {
  const image = { version: offer.release.signed.version, hash: offer.release.signed.artifact.sha256 };
  end(device);
  device.boot += 1;
  device.fallsBackIn = undefined;
  switch (mode) {
    case "silent_brick":
    case "says_it_is_done_and_bricks":
      device.alive = false;
      return {};
    case "reverts_after_reboot":
    case "lies_about_its_version":
      return {};
    case "boot_loop_then_falls_back":
      device.trials = 3;
      device.before = device.runs;
      device.runs = image;
      return {};
    default:
      device.before = device.runs;
      device.runs = image;
      if (mode === "falls_back_after_ten_minutes") device.fallsBackIn = 20;
      return {};
  }
}

function tryBoot(device: Device): Spoken {
  device.boot += 1;
  device.trials -= 1;
  if (device.trials === 0 && device.before) device.runs = device.before;
  return {};
}

function fallBackLater(device: Device): void {
  device.fallsBackIn = (device.fallsBackIn ?? 0) - 1;
  if (device.fallsBackIn > 0 || device.before === undefined) return;
  device.runs = device.before;
  device.boot += 1;
  device.fallsBackIn = undefined;
}

/** What the next heartbeat says; `mode` where a release has to do with it. */
export function beatOf(device: Device, mode: Mode, target: Image | undefined): Beat {
  const state = device.trials > 0 ? ("trial" as const) : ("confirmed" as const);
  const bootId = `${device.id}-${device.boot}`;
  device.seq += 1;
  const { seq } = device;
  // A version lie: the new name for the old bytes, from a new boot.
  if (mode === "lies_about_its_version" && target && device.work === undefined && device.boot > 1)
    return { seq, bootId, firmware: { version: target.version, hash: device.runs.hash, state } };
  return { seq, bootId, firmware: { ...device.runs, state } };
}
