/** How long one device was followed (any unit), and whether it was patched at the end or only lost from sight. */
export type Observation = { time: number; patched: boolean };

export type Survival = {
  /**
   * Restricted mean: the area under the curve of the unpatched, up to the horizon, or to the longest time that anybody was followed where
   * that is shorter: beyond it nothing is known, and nothing is made up. Undefined without observations.
   */
  mean: number | undefined;
  /** Where the area ends. */
  followed: number;
  /** When half, and nine tenths, were patched; undefined while that is not reached. */
  median: number | undefined;
  p90: number | undefined;
};

/** Kaplan and Meier's estimate: who is lost from sight counts as waiting until then, and as nothing after. Pure. */
export function survivalOf(observations: readonly Observation[], horizon: number): Survival {
  if (observations.length === 0) return { mean: undefined, followed: 0, median: undefined, p90: undefined };
  const sorted = observations.toSorted((a, b) => a.time - b.time);
  let [unpatched, atRisk, area, last] = [1, sorted.length, 0, 0];
  let median: number | undefined;
  let p90: number | undefined;
  for (const [time, ended] of Map.groupBy(sorted, (observation) => observation.time)) {
    const until = Math.min(time, horizon);
    area += unpatched * Math.max(0, until - last);
    last = Math.max(last, until);
    unpatched *= 1 - ended.filter(({ patched }) => patched).length / atRisk;
    atRisk -= ended.length;
    if (unpatched <= 0.5 + rounding) median ??= time;
    if (unpatched <= 0.1 + rounding) p90 ??= time;
  }
  return { mean: area, followed: last, median, p90 };
}

// The curve is a product of fractions: 4/5 of 5/8 must still be one half.
const rounding = 1e-9;
