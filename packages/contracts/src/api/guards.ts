import { parseDuration } from "@tenfold/base";
import { z } from "zod";
import { isoDuration } from "./common.ts";

/**
 * What an update must not make worse, measured beside devices that have not been offered it: crashes and unexpected restarts an hour, share of
 * time reachable, growth of used memory, loss of charge, bytes sent and received.
 */
export const guardName = z.enum(["crashes", "reachable", "memory", "battery", "data"]);
export type GuardName = z.infer<typeof guardName>;

/** How a rollout watches its guards (docs/decisions/0026-two-sample-guards.md). An empty `watch` switches them off. */
export const guardPlan = z.strictObject({
  watch: z
    .array(guardName)
    .max(guardName.options.length)
    .refine((names) => new Set(names).size === names.length, { message: "names a guard twice" })
    .default([...guardName.options]),
  /** How long each device is watched from its verified boot on; the soak where it is left out, and never longer than that. */
  window: isoDuration.optional(),
  /** How long after a restart memory, battery and data are not looked at: a machine that has just started is not like one that has not. */
  settle: isoDuration.default("PT10M"),
  /** The chance that the guards of this rollout together halt a healthy release. The failure gate has the rest of 1 %. */
  falseHalts: z.number().gt(0).max(0.005).default(0.002),
  /** How many exposed devices a guard must have compared before it may halt. */
  least: z.int().min(1).max(1_000).default(3),
  /** Tags in which a device and those that it is compared with agree, where there are enough of them. */
  matchBy: z.array(z.string().min(1).max(64)).max(4).default(["site", "region"]),
});
export type GuardPlan = z.infer<typeof guardPlan>;

/** Nothing is watched: what rollouts of earlier versions did. */
export const noGuards: GuardPlan = guardPlan.parse({ watch: [] });

/** How long a device is watched, and from when on the settled part of it counts; milliseconds. */
export function guardTimes({ window, settle }: GuardPlan, soak: string): { windowMs: number; settleMs: number } {
  const soakMs = parseDuration(soak) ?? 0;
  const wanted = window === undefined ? soakMs : (parseDuration(window) ?? soakMs);
  return { windowMs: Math.min(wanted, soakMs), settleMs: parseDuration(settle) ?? 0 };
}
