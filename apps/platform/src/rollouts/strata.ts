import type { DevicePicture } from "./deps.ts";
import { logEvidence, strataFalseHalts } from "./gate.ts";
import { exposedOf, type Tally } from "./rollout.ts";

/** What a device has of what the plan calls a difference: `model=pump, region=north`. Empty where the plan names none. */
export function stratumOf({ model, tags }: Pick<DevicePicture, "model" | "tags">, keys: readonly string[]): string {
  return keys
    .map((key) => (key === "model" ? `model=${model ?? "unknown"}` : `${key.slice(4)}=${tags?.[key.slice(4)] ?? "none"}`))
    .join(", ");
}

export type StratumTally = Tally & { stratum: string };

/**
 * The sequential gate in each stratum, so that a release that is bad for one kind of device only is seen among its kind and not thinned out
 * by all the others. The error is divided by the number of strata (Bonferroni), which keeps the bound over all of them.
 */
export function judgeStrata(strata: readonly StratumTally[]): { because: string; evidence: Record<string, number> } | undefined {
  const haltAtLogE = Math.log(Math.max(1, strata.length) / strataFalseHalts);
  for (const tally of strata) {
    const [exposed, { harmed, stratum }] = [exposedOf(tally), tally];
    const logE = harmed === 0 ? 0 : logEvidence(harmed, exposed);
    if (logE < haltAtLogE) continue;
    return {
      because: `Of the devices with ${stratum}, ${harmed} of ${exposed} failed or fell silent; a healthy release does that by chance in less than 1 rollout of 200.`,
      evidence: { exposed, harmed, logE, haltAtLogE, strata: strata.length },
    };
  }
  return undefined;
}

/** Kinds of device of which the canary had some and of which none booted the release: nothing is known about them. */
export const unprovenStrata = (canary: readonly StratumTally[]): string[] =>
  canary.filter(({ devices, succeeded }) => devices > 0 && succeeded === 0).map(({ stratum }) => stratum);
