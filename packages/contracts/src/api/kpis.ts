import { z } from "zod";
import { timestamp } from "./common.ts";
import { operation } from "./operation.ts";

export const kpiName = z.enum(["uptime", "mttp", "data_lag"]);
export type KpiName = z.infer<typeof kpiName>;

/** One number for executives, with its honest denominator. `value` is null while there is nothing to count. */
export const kpi = z.object({
  name: kpiName,
  title: z.string(),
  value: z.number().nullable(),
  /** `ratio` is 0 to 1; `s` seconds; `ms` milliseconds. */
  unit: z.enum(["ratio", "s", "ms"]),
  target: z.number(),
  better: z.enum(["higher", "lower"]),
  ok: z.boolean().nullable(),
  /** How many things were counted, and what they are. */
  n: z.int(),
  of: z.string(),
  from: timestamp,
  to: timestamp,
  asOf: timestamp,
  /** Numbers beside the headline: p50, p95, worst device, share under target … */
  beside: z.array(z.object({ label: z.string(), value: z.number().nullable(), unit: z.enum(["ratio", "s", "ms", "count", "h"]) })),
  trend: z.array(z.object({ at: timestamp, v: z.number().nullable() })),
});
export type Kpi = z.infer<typeof kpi>;

export const kpiOperations = {
  listKpis: operation({
    name: "listKpis",
    method: "GET",
    path: "/kpis",
    summary: "Device uptime, mean time to patch, data lag.",
    permission: "kpis.read",
    query: z.object({ from: timestamp.optional(), to: timestamp.optional() }),
    response: z.object({ items: z.array(kpi) }),
  }),
  explainKpi: operation({
    name: "explainKpi",
    method: "GET",
    path: "/kpis/:name/explain",
    summary: "The exact definition of a KPI and what went into its present value.",
    permission: "kpis.read",
    params: z.object({ name: kpiName }),
    response: z.object({
      name: kpiName,
      definition: z.string(),
      numerator: z.string(),
      denominator: z.string(),
      exclusions: z.array(z.string()),
      source: z.string(),
      kpi,
    }),
  }),
};
