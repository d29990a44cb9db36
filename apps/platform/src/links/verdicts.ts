import type { Limits } from "./limits.ts";
import { ticksOf } from "./limits.ts";
import type { Admission } from "./link.ts";

type Admitted = Extract<Admission, { is: "admit" }>;
type Remembered = { admission: Admitted; tick: number; validUntil: number };

/** The certificate that a verdict is about: its fingerprint, and when it ends (milliseconds since 1970). */
export type Judged = { certificate: string; validUntil: number };

/**
 * Remembers who was admitted, so that a fleet that comes back at once costs no question each. Refusals are asked anew every time. Whatever
 * bars anybody empties it: an answer that was on its way at that moment is not remembered either.
 */
export class Verdicts {
  readonly #limits: Pick<Limits, "rememberVerdictMs" | "maxVerdicts">;
  readonly #remembered = new Map<string, Remembered>();
  #bars = 0;

  constructor(limits: Pick<Limits, "rememberVerdictMs" | "maxVerdicts">) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#remembered.size;
  }

  /** The admission of this certificate, if it is remembered and still holds. */
  recall(certificate: string, { tick, now }: { tick: number; now: number }): Admitted | undefined {
    const found = this.#remembered.get(certificate);
    if (found === undefined) return undefined;
    if (tick - found.tick < ticksOf(this.#limits.rememberVerdictMs) && now < found.validUntil) return found.admission;
    this.#remembered.delete(certificate);
    return undefined;
  }

  /** Asks, and remembers an admission unless somebody was barred meanwhile. */
  async ask({ certificate, validUntil }: Judged, tick: () => number, judge: () => Promise<Admission>): Promise<Admission> {
    const before = this.#bars;
    const admission = await judge();
    this.#remembered.delete(certificate);
    if (admission.is === "admit" && before === this.#bars) {
      this.#remembered.set(certificate, { admission, tick: tick(), validUntil });
      const [oldest] = this.#remembered.keys();
      if (this.#remembered.size > this.#limits.maxVerdicts && oldest !== undefined) this.#remembered.delete(oldest);
    }
    return admission;
  }

  /** Somebody was barred. */
  forget(): void {
    this.#bars += 1;
    this.#remembered.clear();
  }
}
