import type { Rank } from "./evidence.ts";

/** More devices beside one say hardly more. */
const mostControls = 9;

/**
 * How many devices each exposed one of a stage is compared with; 0 where there are not enough. A device is in one comparison at most over the whole
 * rollout, because only then does each comparison say something new. So a stage takes half of those that are left, and the last stage that still
 * has others beside it takes all. In the last stage nobody is left to compare with.
 */
export function controlsEach(stageDevices: readonly number[]): number[] {
  const total = sum(stageDevices);
  const lastCompared = stageDevices.length - 2;
  let [reached, taken] = [0, 0];
  return stageDevices.map((devices, stage) => {
    reached += devices;
    const left = Math.max(0, total - reached - taken);
    const each =
      stage > lastCompared || devices === 0
        ? 0
        : Math.min(mostControls, Math.floor((stage === lastCompared ? left : left / 2) / devices));
    taken += each * devices;
    return each;
  });
}

/** A device that may be compared, and the strata that it belongs to, the narrowest first. */
export type Candidate = { device: string; strata: readonly string[] };
export type MatchedSet = { exposed: string; controls: string[]; stratum: string };

/**
 * Gives each exposed device its controls: of the narrowest stratum that has enough of them, in their order, nobody twice. Looks at nothing that
 * happened to a device, so that chance alone has decided who of a set was exposed.
 */
export function matchControls(exposed: readonly Candidate[], candidates: readonly Candidate[], each: number): MatchedSet[] {
  const free = new Set(candidates.map(({ device }) => device));
  return exposed.flatMap(({ device, strata }) => {
    for (const stratum of strata) {
      const controls = candidates.filter((one) => free.has(one.device) && one.strata.includes(stratum)).slice(0, each);
      if (controls.length < each) continue;
      for (const control of controls) free.delete(control.device);
      return [{ exposed: device, controls: controls.map((control) => control.device), stratum }];
    }
    return [];
  });
}

type Traits = { model?: string | undefined; tags?: Readonly<Record<string, string>> };

/** The strata of a device: model and the tags that must agree; its model alone. */
export function strataOf({ model = "?", tags = {} }: Traits, matchBy: readonly string[]): string[] {
  const narrow = [`model:${model}`, ...matchBy.flatMap((key) => (tags[key] === undefined ? [] : [`${key}:${tags[key]}`]))].join(
    " ",
  );
  return [...new Set([narrow, `model:${model}`])];
}

/** Where a value stands among others, the larger the worse; undefined where there is nobody to compare with. */
export function rankAmong(value: number, others: readonly number[]): Rank | undefined {
  if (others.length === 0) return undefined;
  return {
    controls: others.length,
    worse: others.filter((one) => one > value).length,
    equal: others.filter((one) => one === value).length,
  };
}

/** Whether a kept rank follows from the values that it was made from. */
export function sameRank({
  value,
  controlValues,
  worse,
  equal,
}: {
  value: number;
  controlValues: readonly number[];
  worse: number;
  equal: number;
}): boolean {
  const rank = rankAmong(value, controlValues);
  return rank?.worse === worse && rank.equal === equal;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);
