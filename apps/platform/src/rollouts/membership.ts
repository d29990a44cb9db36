import { hash32 } from "@tenfold/base";

/** A device's place in a rollout: its stage, its turn among all, and its kind where the plan names kinds. */
export type Place = { device: string; stage: number; place: number; stratum: string };

export type Shares = {
  shares: readonly number[];
  /** Every stratum has this many devices in the canary at least, or all of its devices. */
  perStratum?: number;
};

/** A device with its stratum; one kind for all where the plan names none. */
export type Member = { device: string; stratum: string };

/**
 * Deals devices out to stages, once, at the start. The order is a hash of rollout and device: the same for every server and every run,
 * and another for each rollout, so that no device is always the canary. `shares` are cumulative. The canary has at least one device, and
 * as many of each stratum as the plan asks: a kind of which it has too few by chance gets more of its own, and the canary is larger by them.
 */
export function placeDevices(rollout: string, members: readonly Member[], { shares, perStratum = 0 }: Shares): Place[] {
  const ordered = members
    .map((member) => ({ ...member, key: hash32(`${rollout}/${member.device}`) }))
    .toSorted((a, b) => a.key - b.key || (a.device < b.device ? -1 : 1));
  const ends = stageEnds(members.length, shares);
  const [canary, rest] = dealCanary(ordered, ends[0] ?? 0, perStratum);
  const reached = [...canary, ...rest].slice(0, Math.max(canary.length, ends.at(-1) ?? 0));
  return reached.map(({ device, stratum }, place) => ({
    device,
    stratum,
    place,
    stage:
      place < canary.length
        ? 0
        : Math.max(
            1,
            ends.findIndex((end) => place < end),
          ),
  }));
}

/** The canary: the first in the order, and the next of each stratum that is short of devices. */
function dealCanary<One extends Member>(ordered: readonly One[], size: number, perStratum: number): [One[], One[]] {
  const [first, later] = [ordered.slice(0, size), ordered.slice(size)];
  const have = new Map<string, number>();
  for (const { stratum } of first) have.set(stratum, (have.get(stratum) ?? 0) + 1);
  const rest: One[] = [];
  for (const one of later) {
    const count = have.get(one.stratum) ?? 0;
    if (count >= perStratum) rest.push(one);
    else {
      have.set(one.stratum, count + 1);
      first.push(one);
    }
  }
  return [first, rest];
}

/** How many devices have been reached when each stage ends. Shares are rounded down: a smaller canary harms less. */
export function stageEnds(targets: number, shares: readonly number[]): number[] {
  // The small addend keeps 0.29 × 100 at 29.
  return shares.map((share) => Math.min(targets, Math.max(1, Math.floor(share * targets + 1e-9))));
}

/** How many devices each of the stages has. */
export function stageSizes(places: readonly Pick<Place, "stage">[], stages: number): number[] {
  const sizes = Array.from({ length: stages }, () => 0);
  for (const { stage } of places) sizes[stage] = (sizes[stage] ?? 0) + 1;
  return sizes;
}

/** How long after its stage's beginning a device is offered the release: spread evenly, and the same on every look (ms). */
export const delayOf = (rollout: string, device: string, jitterMs: number): number =>
  Math.floor((hash32(`jitter/${rollout}/${device}`) / 2 ** 32) * jitterMs);
