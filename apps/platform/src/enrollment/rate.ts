import { minutes } from "@tenfold/base";
import { type Refused, refuse } from "./attempt.ts";

/** Counts what one identity does. `take` answers 0 when it may go on, else after how many milliseconds it may try again. */
export type RateLimit = { take(identity: string, now: number): number };

const mostRemembered = 20_000;

/** [E26] A bucket for each identity: `perMinute` at once, filled again evenly. What has been silent for longest is forgotten first. */
export function createRateLimit(perMinute: number): RateLimit {
  const buckets = new Map<string, { left: number; at: number }>();
  const each = minutes(1) / perMinute;
  return {
    take(identity, now) {
      const known = buckets.get(identity) ?? { left: perMinute, at: now };
      const left = Math.min(perMinute, known.left + Math.max(0, now - known.at) / each);
      buckets.delete(identity);
      buckets.set(identity, { left: left >= 1 ? left - 1 : left, at: now });
      const oldest = buckets.size > mostRemembered ? buckets.keys().next().value : undefined;
      if (oldest !== undefined) buckets.delete(oldest);
      return left >= 1 ? 0 : Math.ceil((1 - left) * each);
    },
  };
}

/** What who asks too often is told, with after how many milliseconds to ask again. */
export const hurriedRefusal = (retryAfter: number): Refused =>
  refuse({
    step: "request",
    because: "rate_limited",
    reason: "This identity asks for certificates too often.",
    fix: "Wait as long as Retry-After says, and look for a loop in the device's enrollment.",
    status: 429,
    retryAfter,
  });
