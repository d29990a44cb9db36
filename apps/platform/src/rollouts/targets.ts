import { compareVersions } from "@tenfold/base";
import { channelFollowed, type DeploymentReason, type ReleaseChannel, takesChannel } from "@tenfold/contracts";
import { type Compatibility, type Misfit, misfitOf } from "@tenfold/ota";
import type { DevicePicture } from "./deps.ts";
import type { Waiting } from "./plan.ts";

/** What should run in the end. */
type Wanted = { version: string; sha256: string };

/** A release as far as it decides who gets it. `fits` is what it says of itself, signed. */
export type Target = Wanted & { fits: Compatibility; channel: ReleaseChannel };

export type Choice = { targets: string[]; excluded: { because: string; devices: number }[] };

/** Which of the devices a rollout takes, and why it leaves the others. */
export function chooseTargets(
  devices: readonly DevicePicture[],
  { release, busy }: { release: Target; busy: ReadonlySet<string> },
): Choice {
  const judged = devices.map((device) => ({ device, because: exclusion(device, release, busy) }));
  const excluded = Map.groupBy(
    judged.flatMap(({ because }) => because ?? []),
    (because) => because,
  );
  return {
    targets: judged.filter(({ because }) => because === undefined).map(({ device }) => device.id),
    excluded: [...excluded].map(([because, { length }]) => ({ because, devices: length })),
  };
}

function exclusion(device: DevicePicture, release: Target, busy: ReadonlySet<string>): string | undefined {
  const { lifecycle, firmware } = device;
  if (lifecycle !== "active") return `is ${lifecycle}`;
  if (firmware && runsConfirmed(firmware, release)) return "runs this release already";
  const misfit = misfitOf(release.fits, fittingOf(device));
  if (misfit?.because === "model" || misfit?.because === "hardware") return whyNot(misfit, device, release);
  const follows = channelFollowed(device.tags);
  if (!takesChannel(follows, release.channel)) return `follows the channel ${follows}, and the release is in ${release.channel}`;
  // A device would refuse it (offer_downgrade_refused).
  if (firmware && compareVersions(release.version, firmware.version) < 0) return "runs a newer version";
  if (misfit) return whyNot(misfit, device, release);
  return busy.has(device.id) ? "is part of another rollout that has not ended" : undefined;
}

const fittingOf = ({ model, hardwareRevision, firmware }: DevicePicture) => ({
  model,
  hardwareRevision,
  version: firmware?.version,
});

/** Why many devices do not fit, said alike for all of them, so that they can be counted. */
function whyNot(misfit: Misfit, { model, hardwareRevision }: DevicePicture, { fits }: Target): string {
  switch (misfit.because) {
    case "model":
      return model === undefined ? "has not said which model it is" : "is another model";
    case "hardware":
      return hardwareRevision === undefined
        ? "has not said which hardware revision it is"
        : `is hardware revision ${hardwareRevision}, and the release is for ${fits.hardwareRevisions?.join(", ")}`;
    case "minimum_version":
      return `runs a version older than ${fits.minimumVersion}, over which the release is not installed`;
    case "pass_through":
      return `must install ${misfit.stone} first`;
  }
}

const misfitReason = {
  model: "offer_incompatible_model",
  hardware: "offer_incompatible_hardware",
  minimum_version: "offer_below_minimum_version",
  pass_through: "offer_must_pass_through",
} as const satisfies Record<Misfit["because"], DeploymentReason>;

/** Why an offer to this device would be pointless now, if so. `fits` is given where the device would judge by it. */
export function pointlessOffer(
  device: DevicePicture | undefined,
  { target, undoes, fits }: { target: Wanted; undoes?: Wanted; fits?: Compatibility },
): Waiting["pointless"] {
  if (device === undefined || device.lifecycle !== "active")
    return { reason: "device_not_active", detail: `It is ${device?.lifecycle ?? "not registered"}.` };
  const { firmware } = device;
  if (firmware === undefined) return undefined;
  if (runsConfirmed(firmware, target)) return { reason: "superseded", detail: `It already runs ${target.version}.` };
  if (undoes && !runs(firmware, undoes))
    return { reason: "superseded", detail: `It runs ${firmware.version} now, so there is nothing to undo.` };
  const misfit = fits && misfitOf(fits, fittingOf(device));
  return misfit && { reason: misfitReason[misfit.because], detail: misfit.detail };
}

type Reported = NonNullable<DevicePicture["firmware"]>;

const runs = ({ version, hash }: Reported, target: Wanted): boolean =>
  hash === undefined ? version === target.version : hash === target.sha256;
const runsConfirmed = (firmware: Reported, target: Wanted): boolean => runs(firmware, target) && firmware.state !== "trial";
