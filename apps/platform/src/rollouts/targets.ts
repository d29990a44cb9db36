import { compareVersions } from "@tenfold/base";
import { channelFollowed, type DeploymentReason, type ExclusionCode, type ReleaseChannel, takesChannel } from "@tenfold/contracts";
import type { Compatibility, Misfit } from "@tenfold/ota";
import type { DevicePicture } from "./deps.ts";
import { judgePins, type Pin, type Waiting } from "./line.ts";
import { type Stone, type Stones, type Way, wayTo } from "./way.ts";

/** What should run in the end. */
type Wanted = { version: string; sha256: string };

/** A release as far as it decides who gets it. `fits` is what it says of itself, signed. */
export type Target = Wanted & { fits: Compatibility; channel: ReleaseChannel };

/** Why a device is left out: "is another model", said alike for all of them, so that they can be counted. */
export type Exclusion = { code: ExclusionCode; because: string };
export type Excluded = Exclusion & { devices: number };
/** Devices that come to the release over the same stones. */
export type Detour = { stones: readonly Stone[]; devices: number };
export type Choice = { targets: DevicePicture[]; excluded: Excluded[]; detours: Detour[] };

/** What else decides who gets a release. */
export type Circumstance = {
  release: Target;
  weight: number;
  now: number;
  /** Devices that wait for an update or have one on its way, with the weights of the rollouts that want them. */
  busy: ReadonlyMap<string, readonly number[]>;
  pins: ReadonlyMap<string, readonly Pin[]>;
  /** What may be installed on the way to the release. */
  stones?: Stones;
};

/** Which of the devices a rollout takes, and why it leaves the others: each by the first reason that holds. */
export function chooseTargets(devices: readonly DevicePicture[], circumstance: Circumstance): Choice {
  const targets: DevicePicture[] = [];
  const excluded = new Map<string, Excluded>();
  const detours = new Map<string, Detour>();
  for (const device of devices) {
    const exclusion = exclusionOf(device, circumstance);
    if (exclusion === undefined) {
      targets.push(device);
      countDetour(detours, wayOf(device, circumstance));
    } else excluded.set(exclusion.because, { ...exclusion, devices: (excluded.get(exclusion.because)?.devices ?? 0) + 1 });
  }
  return {
    targets,
    excluded: [...excluded.values()].toSorted((a, b) => b.devices - a.devices),
    detours: [...detours.values()].toSorted((a, b) => b.devices - a.devices),
  };
}

function countDetour(detours: Map<string, Detour>, way: Way): void {
  if (way.is !== "over") return;
  const key = way.stones.map(({ version }) => version).join(" ");
  detours.set(key, { stones: way.stones, devices: (detours.get(key)?.devices ?? 0) + 1 });
}

const wayOf = (device: DevicePicture, { release, stones = new Map() }: Circumstance): Way =>
  wayTo(release.fits, fittingOf(device), stones);

/** Why a rollout leaves this device out, if it does. */
export function exclusionOf(device: DevicePicture, circumstance: Circumstance): Exclusion | undefined {
  const { release, weight, now, busy, pins } = circumstance;
  const { id, lifecycle, firmware } = device;
  if (lifecycle !== "active") return { code: "device_not_active", because: `is ${lifecycle}` };
  if (firmware && runsConfirmed(firmware, release)) return { code: "runs_release", because: "runs this release already" };
  const way = wayOf(device, circumstance);
  const misfit = way.is === "none" ? way.misfit : undefined;
  if (misfit?.because === "model" || misfit?.because === "hardware") return whyNot(misfit, device, release);
  const follows = channelFollowed(device.tags);
  if (!takesChannel(follows, release.channel))
    return { code: "other_channel", because: `follows the channel ${follows}, and the release is in ${release.channel}` };
  // A device would refuse it (offer_downgrade_refused).
  if (firmware && compareVersions(release.version, firmware.version) < 0)
    return { code: "runs_newer", because: "runs a newer version" };
  if (misfit) return whyNot(misfit, device, release);
  const pin = judgePins(pins.get(id) ?? [], release.version, now);
  if (pin) return { code: pin.code === "pinned" ? "pinned" : "excluded", because: pin.because };
  if (busy.get(id)?.includes(weight))
    return { code: "in_other_rollout", because: "is part of another rollout of the same weight that has not ended" };
  return undefined;
}

export const fittingOf = ({ model, hardwareRevision, firmware }: DevicePicture) => ({
  model,
  hardwareRevision,
  version: firmware?.version,
});

function whyNot(misfit: Misfit, { model, hardwareRevision }: DevicePicture, { fits }: Target): Exclusion {
  switch (misfit.because) {
    case "model":
      return model === undefined
        ? { code: "model_unknown", because: "has not said which model it is" }
        : { code: "other_model", because: "is another model" };
    case "hardware":
      return {
        code: "other_hardware",
        because:
          hardwareRevision === undefined
            ? "has not said which hardware revision it is"
            : `is hardware revision ${hardwareRevision}, and the release is for ${fits.hardwareRevisions?.join(", ")}`,
      };
    case "minimum_version":
      return {
        code: "below_minimum_version",
        because: `runs a version older than ${fits.minimumVersion}, over which the release is not installed`,
      };
    case "pass_through":
      return {
        code: "must_pass_through",
        because: `must install ${misfit.stone} first, and no usable release here leads to it`,
      };
  }
}

const misfitReason = {
  model: "offer_incompatible_model",
  hardware: "offer_incompatible_hardware",
  minimum_version: "offer_below_minimum_version",
  pass_through: "offer_must_pass_through",
} as const satisfies Record<Misfit["because"], DeploymentReason>;

/** Why an offer to this device would be pointless now, if so. `misfit` is given where no way leads it to the release. */
export function pointlessOffer(
  device: DevicePicture | undefined,
  { target, undoes, misfit }: { target: Wanted; undoes?: Wanted; misfit?: Misfit },
): Waiting["pointless"] {
  if (device === undefined || device.lifecycle !== "active")
    return { reason: "device_not_active", detail: `It is ${device?.lifecycle ?? "not registered"}.` };
  const { firmware } = device;
  if (firmware === undefined) return undefined;
  if (runsConfirmed(firmware, target)) return { reason: "superseded", detail: `It already runs ${target.version}.` };
  // A trial may end as it began: what it had confirmed before is what there is to undo.
  if (undoes && firmware.state !== "trial" && !runs(firmware, undoes))
    return { reason: "superseded", detail: `It runs ${firmware.version} now, so there is nothing to undo.` };
  // Another rollout was faster, and a device refuses to go back (offer_downgrade_refused).
  if (!undoes && compareVersions(target.version, firmware.version) < 0)
    return { reason: "superseded", detail: `It runs ${firmware.version} now, which is newer.` };
  return misfit && { reason: misfitReason[misfit.because], detail: misfit.detail };
}

type Reported = NonNullable<DevicePicture["firmware"]>;

const runs = ({ version, hash }: Reported, target: Wanted): boolean =>
  hash === undefined ? version === target.version : hash === target.sha256;
const runsConfirmed = (firmware: Reported, target: Wanted): boolean => runs(firmware, target) && firmware.state !== "trial";
