import { humanDuration, seconds } from "@tenfold/base";
import type { Lifecycle } from "@tenfold/contracts";
import type { Verdict } from "../access/judge.ts";
import { words } from "../format.ts";

export const uptimeWords = (uptimeS: number | undefined): string => (uptimeS === undefined ? "–" : humanDuration(seconds(uptimeS)));

export type LifecycleVerb = "suspend" | "resume" | "quarantine" | "retire";

/** From where each change can start. The server enforces the same; here it explains why a button is idle. */
const from: Record<LifecycleVerb, readonly Lifecycle[]> = {
  suspend: ["active"],
  resume: ["suspended", "quarantined"],
  quarantine: ["active", "suspended"],
  retire: ["expected", "pending", "active", "suspended", "quarantined"],
};

/** Whether a device in this lifecycle can be changed so, by a person who may. The person's own limit is told first. */
export function judgeChange(verb: LifecycleVerb, lifecycle: Lifecycle, allowed: Verdict): Verdict {
  if (!allowed.allowed) return allowed;
  if (from[verb].includes(lifecycle)) return allowed;
  return {
    allowed: false,
    because: `The device is ${words(lifecycle)}; only ${from[verb].map(words).join(" or ")} devices can be changed so.`,
  };
}
