/** The store is taken to be down, not slow, when nothing was applied for so long: then the journal takes in what comes, up to its quota. */
const stalledMs = 10_000;

export type PaceLimits = {
  /** Less than this is never too much, bytes. */
  freeBytes: number;
  /** The longest that what waits may take to be applied, at the pace of the last batch. */
  drainMs: number;
};

/**
 * Whether more comes in than is applied. A store that is slower than the devices makes them wait, so that what they sent is visible within
 * seconds and not hours later; a store that is down does not, because the disk can wait for it. Times are milliseconds of any steady clock.
 */
export class ApplyPace {
  readonly #limits: PaceLimits;
  #bytesPerMs = Number.POSITIVE_INFINITY;
  #appliedAt: number;
  #failing = false;

  constructor(limits: PaceLimits, now: number) {
    this.#limits = limits;
    this.#appliedAt = now;
  }

  applied({ bytes, tookMs, now }: { bytes: number; tookMs: number; now: number }): void {
    this.#failing = false;
    this.#appliedAt = now;
    this.#bytesPerMs = bytes / Math.max(1, tookMs);
  }

  failed(): void {
    this.#failing = true;
  }

  /** `waitingBytes`: durable and not yet applied. */
  isBehind(waitingBytes: number, now: number): boolean {
    if (this.#failing || waitingBytes <= this.#limits.freeBytes || now - this.#appliedAt > stalledMs) return false;
    return waitingBytes / this.#bytesPerMs > this.#limits.drainMs;
  }
}
