/**
 * How many devices of a group must be silent at once before it is about the group: the smallest k with P(Bin(n, p0) >= k) <= 10^-5,
 * where p0 is the share that is silent on any day. Infinity when even all of them could be chance.
 */
export function cohortThreshold(n: number, p0 = usualSilentShare): number {
  let [term, atMost] = [(1 - p0) ** n, 0];
  // Underflow would make every term zero: in logarithms then, at the price of a little speed.
  if (term === 0) return thresholdByLogarithms(n, p0);
  for (let k = 0; k <= n; k++) {
    if (1 - atMost <= chance) return k;
    atMost += term;
    term *= ((n - k) / (k + 1)) * (p0 / (1 - p0));
  }
  return Number.POSITIVE_INFINITY;
}

/** The floor for p0 until a group has a history of its own. */
export const usualSilentShare = 0.005;

const chance = 1e-5;

function thresholdByLogarithms(n: number, p0: number): number {
  const step = Math.log(p0 / (1 - p0));
  let [logTerm, atMost] = [n * Math.log1p(-p0), 0];
  for (let k = 0; k <= n; k++) {
    if (1 - atMost <= chance) return k;
    atMost += Math.exp(logTerm);
    logTerm += Math.log((n - k) / (k + 1)) + step;
  }
  return Number.POSITIVE_INFINITY;
}

/** The number of silent devices from which a group alert fires: what is beyond chance and at least the rule's share. */
export const groupThreshold = (n: number, share: number): number => Math.max(cohortThreshold(n), Math.ceil(share * n), 1);
