import { compareVersions } from "@tenfold/base";
import type { DevicePicture } from "./deps.ts";
import type { Waiting } from "./plan.ts";

export type Target = { version: string; sha256: string; models: readonly string[] };

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
  const { lifecycle, model, firmware } = device;
  if (lifecycle !== "active") return `is ${lifecycle}`;
  if (release.models.length > 0 && model === undefined) return "has not said which model it is";
  if (release.models.length > 0 && !release.models.includes(model ?? "")) return "is another model";
  if (firmware && runsConfirmed(firmware, release)) return "runs this release already";
  // A device would refuse it (offer_downgrade_refused).
  if (firmware && compareVersions(release.version, firmware.version) < 0) return "runs a newer version";
  return busy.has(device.id) ? "is part of another rollout that has not ended" : undefined;
}

/** Why an offer to this device would be pointless now, if so. */
export function pointlessOffer(
  device: DevicePicture | undefined,
  { target, undoes }: { target: Omit<Target, "models">; undoes?: Omit<Target, "models"> },
): Waiting["pointless"] {
  if (device === undefined || device.lifecycle !== "active")
    return { reason: "device_not_active", detail: `It is ${device?.lifecycle ?? "not registered"}.` };
  const { firmware } = device;
  if (firmware === undefined) return undefined;
  if (runsConfirmed(firmware, target)) return { reason: "superseded", detail: `It already runs ${target.version}.` };
  if (undoes && !runs(firmware, undoes))
    return { reason: "superseded", detail: `It runs ${firmware.version} now, so there is nothing to undo.` };
  return undefined;
}

type Reported = NonNullable<DevicePicture["firmware"]>;

const runs = ({ version, hash }: Reported, target: Omit<Target, "models">): boolean =>
  hash === undefined ? version === target.version : hash === target.sha256;
const runsConfirmed = (firmware: Reported, target: Omit<Target, "models">): boolean =>
  runs(firmware, target) && firmware.state !== "trial";
