import { createHash } from "node:crypto";
import { canonicalJson } from "@tenfold/base";
import type { RolloutPlan } from "@tenfold/contracts";

/** What an approval is for: the plan as it stands, and the very bytes that it hands out. SHA-256, hex. */
export function planHashOf(plan: RolloutPlan, sha256: string): string {
  // Canonical JSON has no fractions, and shares are some: they are hashed as they are printed.
  const printed = JSON.parse(JSON.stringify(plan), (_, value) => (typeof value === "number" ? String(value) : value));
  return createHash("sha256")
    .update(canonicalJson({ plan: printed, sha256 }))
    .digest("hex");
}

/** Somebody's word for a plan. `actor` is their id. */
export type Approval = { actor: string; name: string; planHash: string; at: number; comment?: string };

/** Those who count: for this very plan, each person once, and never its author. */
export function validApprovals(
  approvals: readonly Approval[],
  { planHash, author }: { planHash: string; author: string },
): Approval[] {
  const counted = new Map<string, Approval>();
  for (const one of approvals) {
    if (one.planHash === planHash && one.actor !== author && !counted.has(one.actor)) counted.set(one.actor, one);
  }
  return [...counted.values()];
}
