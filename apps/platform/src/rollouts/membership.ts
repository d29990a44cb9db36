import { hash32 } from "@tenfold/base";

/** A device's place in a rollout: its stage, and its turn among all. */
export type Place = { device: string; stage: number; place: number };

/**
 * Deals devices out to stages, once, at the start. The order is a hash of rollout and device: the same for every server and every run,
 * and another for each rollout, so that no device is always the canary. `shares` are cumulative. The canary has at least one device.
 */
export function placeDevices(rollout: string, devices: readonly string[], shares: readonly number[]): Place[] {
  const ordered = devices
    .map((device) => ({ device, key: hash32(`${rollout}/${device}`) }))
    .toSorted((a, b) => a.key - b.key || (a.device < b.device ? -1 : 1));
  const ends = stageEnds(devices.length, shares);
  return ordered
    .slice(0, ends.at(-1) ?? 0)
    .map(({ device }, place) => ({ device, place, stage: ends.findIndex((end) => place < end) }));
}

/** How many devices have been reached when each stage ends. Shares are rounded down: a smaller canary harms less. */
export function stageEnds(targets: number, shares: readonly number[]): number[] {
  // The small addend keeps 0.29 × 100 at 29.
  return shares.map((share) => Math.min(targets, Math.max(1, Math.floor(share * targets + 1e-9))));
}

/** How many devices each stage has. */
export const stageSizes = (targets: number, shares: readonly number[]): number[] =>
  stageEnds(targets, shares).map((end, i, ends) => end - (ends[i - 1] ?? 0));
