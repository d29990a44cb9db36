import type { GuardName } from "@tenfold/contracts";

/** How one exposed device did among the devices that it was compared with: how many of them did worse than it, and how many just as well. */
export type Rank = { controls: number; worse: number; equal: number };
/** A rank, and how many exposed devices have it. All that the verdict needs: stored with each decision, and enough to make it again. */
export type RankCount = [controls: number, worse: number, equal: number, devices: number];

/** From "a bad release makes its device the worst of all" to "it makes it a little worse than most". */
const bets = [0.05, 0.1, 0.2, 0.35, 0.55, 0.8];

/**
 * What one comparison multiplies the evidence by, for each bet; as logarithms.
 *
 * Who of a matched set was exposed has been decided by a hash, so that under a release that changes nothing the exposed device is equally likely to
 * stand at each place among the `n` of the set. A bet pays n·((r/n)^b − ((r−1)/n)^b) for place r counted from the worst: on the average over the places
 * exactly 1, so its product over sets that share no device is a martingale, whatever else happened to all of them at the time (an outage, a hot day).
 * Devices that did equally well share what their places pay.
 */
export function logPayoffs({ controls, worse, equal }: Rank): number[] {
  const n = controls + 1;
  return bets.map((bet) => Math.log((n / (equal + 1)) * (((worse + equal + 1) / n) ** bet - (worse / n) ** bet)));
}

/** The evidence that exposed devices do worse than their controls, as the logarithm of an e-value: the even mixture of the bets. */
export function guardLogE(counts: readonly RankCount[]): number {
  const totals = bets.map(() => 0);
  for (const [controls, worse, equal, devices] of counts)
    logPayoffs({ controls, worse, equal }).forEach((pay, i) => {
      totals[i] = (totals[i] ?? 0) + devices * pay;
    });
  const top = Math.max(...totals);
  return top + Math.log(totals.reduce((sum, total) => sum + Math.exp(total - top), 0) / totals.length);
}

/** What is known for one guard: who was compared how, and the middle of what was measured on either side. */
export type GuardSums = { guard: GuardName; counts: RankCount[]; exposedMedian: number | null; controlMedian: number | null };
export type GuardEvidence = GuardSums & { compared: number; logE: number; haltAtLogE: number; least: number };

/** What the gate goes by. */
export type GuardRule = { watch: readonly GuardName[]; falseHalts: number; least: number };

/** Each guard has an even part of what the guards together may halt by mistake (Bonferroni), so that they need not be independent. */
export const haltAtLogEOf = ({ watch, falseHalts }: GuardRule): number => Math.log(watch.length / falseHalts);

/** The evidence of every guard that is watched, in the plan's order; one that has compared nothing has the evidence of nothing. */
export function weighGuards(rule: GuardRule, sums: readonly GuardSums[]): GuardEvidence[] {
  return rule.watch.map((guard) => {
    const found = sums.find((one) => one.guard === guard) ?? { guard, counts: [], exposedMedian: null, controlMedian: null };
    const compared = found.counts.reduce((sum, [, , , devices]) => sum + devices, 0);
    return { ...found, compared, logE: guardLogE(found.counts), haltAtLogE: haltAtLogEOf(rule), least: rule.least };
  });
}

/** The guard that halts, if any: the one that is surest. */
export function haltingGuard(guards: readonly GuardEvidence[]): GuardEvidence | undefined {
  return guards
    .filter(({ logE, haltAtLogE, compared, least }) => compared >= least && logE >= haltAtLogE)
    .toSorted((a, b) => b.logE - a.logE)[0];
}

const meanings: Readonly<Record<GuardName, { worse: string; unit: (value: number) => string }>> = {
  crashes: { worse: "crash or restart more often", unit: (value) => `${round(value)} an hour` },
  reachable: { worse: "are reachable for less of the time", unit: (value) => `${round(-100 * value)} %` },
  memory: { worse: "take up memory faster", unit: (value) => `${value < 0 ? "" : "+"}${round(100 * value)} % an hour` },
  battery: { worse: "lose their charge faster", unit: (value) => `${round(100 * value)} % an hour` },
  data: { worse: "send and receive more", unit: (value) => `${round(value / 1_000_000)} MB an hour` },
};

/** Why a guard halts, as a sentence with its numbers. */
export function guardSentence({ guard, compared, exposedMedian, controlMedian, haltAtLogE }: GuardEvidence): string {
  const { worse, unit } = meanings[guard];
  const beside =
    exposedMedian === null || controlMedian === null
      ? ""
      : ` (${unit(exposedMedian)} in the middle, beside ${unit(controlMedian)} without the release)`;
  return `The ${compared} updated devices that were compared with devices not yet offered the release ${worse}${beside}; chance does that in less than 1 of ${Math.round(Math.exp(haltAtLogE))} rollouts.`;
}

const round = (value: number): number => Number(value.toPrecision(3));
