import type { Limits } from "./limits.ts";
import { Pace } from "./mqtt/pace.ts";

/** How often each device connects. Holds only those that used up some of their allowance. */
export class Comings {
  readonly #pace: { ratePerS: number; burst: number };
  readonly #tick: () => number;
  readonly #devices = new Map<string, Pace>();

  constructor({ connectsPerS, connectBurst }: Pick<Limits, "connectsPerS" | "connectBurst">, tick: () => number) {
    this.#pace = { ratePerS: connectsPerS, burst: connectBurst };
    this.#tick = tick;
  }

  /** Counts a connection of the device; false where it connects too often. */
  allow(device: string): boolean {
    const tick = this.#tick();
    const pace = this.#devices.get(device) ?? new Pace(this.#pace, tick);
    this.#devices.set(device, pace);
    const allowed = pace.allows(tick);
    if (allowed) pace.spend();
    return allowed;
  }

  /** Forgets those whose allowance is whole again. */
  look(): void {
    const tick = this.#tick();
    for (const [device, pace] of this.#devices) if (pace.whole(tick)) this.#devices.delete(device);
  }
}
