import { compareVersions } from "@tenfold/base";
import { type Compatibility, type Misfit, misfitOf, nextStone } from "@tenfold/ota";
import type { Target } from "./picture.ts";

/** A release that can be installed on the way to another one. */
export type Stone = Target & {
  size: number;
  fits: Compatibility;
  /** The rollout that has yet to show that it is good: until then no other leads devices over it. */
  provenBy?: string;
};
/** Stones by version, all of the name of the release that is wanted. */
export type Stones = ReadonlyMap<string, Stone>;

type Device = { model?: string | undefined; hardwareRevision?: string | undefined; version?: string | undefined };

/** How a device comes to a release: at once, over stones that it boots one after the other, or not at all. */
export type Way = { is: "straight" } | { is: "over"; stones: readonly [Stone, ...Stone[]] } | { is: "none"; misfit: Misfit };

/** No chain of releases is longer; what is takes itself for its own stone. */
const longest = 20;

/**
 * The way of a device to a release. Each stone is judged as the device will judge it when it comes to it, stones of stones included; a way
 * that breaks off anywhere is none, so that nobody is led half of it. What the release needs (`mustPassThrough`) comes first; where it only
 * names a minimum version, the release of exactly that version is the stone.
 */
export function wayTo(wanted: Compatibility, device: Device, stones: Stones): Way {
  const path: Stone[] = [];
  let at = device;
  while (path.length <= longest) {
    const next = nextInstall(wanted, at, stones);
    if (next.is === "wanted") {
      const [first, ...rest] = path;
      return first === undefined ? { is: "straight" } : { is: "over", stones: [first, ...rest] };
    }
    if (next.is === "none") return next;
    path.push(next.stone);
    at = { ...at, version: next.stone.version };
  }
  const misfit = misfitOf(wanted, device);
  return misfit ? { is: "none", misfit } : { is: "straight" };
}

type Next = { is: "wanted" } | { is: "stone"; stone: Stone } | { is: "none"; misfit: Misfit };

function nextInstall(wanted: Compatibility, device: Device, stones: Stones): Next {
  const misfit = misfitOf(wanted, device);
  if (misfit === undefined) return { is: "wanted" };
  if (device.version === undefined || misfit.because === "model" || misfit.because === "hardware") return { is: "none", misfit };
  const version = nextStone(wanted, device.version) ?? wanted.minimumVersion;
  const stone = version === undefined ? undefined : stones.get(version);
  // Each stone is older than what it leads to, so that the search ends.
  if (stone === undefined || compareVersions(stone.version, wanted.version) >= 0) return { is: "none", misfit };
  const before = nextInstall(stone.fits, device, stones);
  if (before.is === "wanted") return { is: "stone", stone };
  return before.is === "none" ? { is: "none", misfit } : before;
}

/** The versions that a release names as stones of its own. */
export const stonesNamed = ({ mustPassThrough = [], minimumVersion }: Compatibility): string[] => [
  ...mustPassThrough,
  ...(minimumVersion === undefined ? [] : [minimumVersion]),
];
