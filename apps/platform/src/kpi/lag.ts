import type { Kpi } from "@tenfold/contracts";

type Percentiles = { n: number; p50: number | undefined; p95: number | undefined; p99: number | undefined };

/** Milliseconds from happening (and, for `platform`, from receiving) to being visible, as `telemetry.lagBetween` tells it. */
export type LagFacts = Percentiles & { platform: Percentiles };

/** The number for the headline, and those beside it. */
export function judgeLag({ n, p50, p95, p99, platform }: LagFacts): Pick<Kpi, "value" | "n" | "of" | "beside"> {
  return {
    value: p95 ?? null,
    n,
    of: "telemetry messages (95th percentile)",
    beside: [
      { label: "p50", value: p50 ?? null, unit: "ms" },
      { label: "p99", value: p99 ?? null, unit: "ms" },
      { label: "Platform's share, p50", value: platform.p50 ?? null, unit: "ms" },
      { label: "Platform's share, p99", value: platform.p99 ?? null, unit: "ms" },
    ],
  };
}
