/**
 * How long to wait before the next try: anything between nothing and a ceiling that doubles ("full jitter"), so that a fleet that lost
 * its server together does not come back together. `chance` is in [0, 1); the answer is in milliseconds.
 */
export function fullJitter(failures: number, chance: number, { baseMs = 1_000, capMs = 300_000 } = {}): number {
  // 2^30 is far above any cap; more would leave the safe integers.
  return Math.floor(chance * Math.min(capMs, baseMs * 2 ** Math.min(failures, 30)));
}
