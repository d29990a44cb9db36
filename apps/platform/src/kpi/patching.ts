import { hours } from "@tenfold/base";
import type { Kpi } from "@tenfold/contracts";
import { horizon, patchTarget } from "./definitions.ts";
import { type Observation, survivalOf } from "./survival.ts";

/** What rollouts know about who got a release when, as `rollouts.patchFacts` tells it. Times in ms. */
export type PatchFact = {
  release: string;
  availableAt: number;
  devices: readonly { device: string; exposedFrom: number; patchedAt?: number; censoredAt?: number }[];
};

/** Follows each device from its exposure until it is patched, no longer waiting, or `asOf`. What happened after `asOf` is not known. */
export function observe(facts: readonly PatchFact[], asOf: number): Observation[] {
  return facts
    .flatMap(({ devices }) => devices)
    .filter(({ exposedFrom }) => exposedFrom < asOf)
    .map(({ exposedFrom, patchedAt, censoredAt }) => {
      if (patchedAt !== undefined && patchedAt <= asOf) return { time: Math.max(0, patchedAt - exposedFrom), patched: true };
      return { time: Math.max(0, Math.min(censoredAt ?? asOf, asOf) - exposedFrom), patched: false };
    });
}

/** The number for the headline in seconds, and those beside it. */
export function judgePatching(observations: readonly Observation[]): Pick<Kpi, "value" | "n" | "of" | "beside"> {
  const { mean, followed, median, p90 } = survivalOf(observations, horizon);
  const n = observations.length;
  const patched = observations.filter((observation) => observation.patched);
  const inTime = patched.filter(({ time }) => time <= patchTarget).length;
  const exposure = observations.reduce((sum, { time }) => sum + time, 0);
  const inSeconds = (time: number | undefined) => (time === undefined ? null : time / 1_000);
  return {
    value: inSeconds(mean),
    n,
    of: "devices that a release was meant for, once for each release",
    beside: [
      { label: "Median", value: inSeconds(median), unit: "s" },
      { label: "p90 (empty: not reached)", value: inSeconds(p90), unit: "s" },
      { label: "Patched within 7 days, of all", value: n === 0 ? null : inTime / n, unit: "ratio" },
      { label: "Patched", value: patched.length, unit: "count" },
      { label: "Not patched", value: n - patched.length, unit: "count" },
      { label: "Followed for at most", value: n === 0 ? null : followed / 1_000, unit: "s" },
      { label: "Exposed device-hours", value: exposure / hours(1), unit: "h" },
    ],
  };
}
