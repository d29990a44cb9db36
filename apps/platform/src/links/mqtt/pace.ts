import { type Limits, tickMs } from "../limits.ts";

/**
 * A device's allowance: `ratePerS` on the average, `burst` at once. Time is counted in ticks of the one timer, so that a clock that is
 * set, or a process that stood still, neither starves nor frees anybody.
 */
export class Pace {
  readonly #perTick: number;
  readonly #burst: number;
  #left: number;
  #tick: number;

  constructor({ ratePerS, burst }: Pick<Limits, "ratePerS" | "burst">, tick: number) {
    this.#perTick = (ratePerS * tickMs) / 1_000;
    this.#burst = burst;
    this.#left = burst;
    this.#tick = tick;
  }

  /** Whether one more may be taken at this tick. */
  allows(tick: number): boolean {
    this.#left = Math.min(this.#burst, this.#left + (tick - this.#tick) * this.#perTick);
    this.#tick = tick;
    return this.#left >= 1;
  }

  /** Whether all that was spent has come back. */
  whole(tick: number): boolean {
    return this.allows(tick) && this.#left === this.#burst;
  }

  spend(): void {
    this.#left -= 1;
  }
}
