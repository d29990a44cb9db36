import { humanDuration, seconds } from "@tenfold/base";
import type { Connectivity } from "@tenfold/contracts";

/** What is known of a device's contact; times in ms since 1970. */
export type ContactFacts = {
  lastContactAt: number;
  leaseMs: number;
  /** Since when one lease has followed the other without a gap. */
  reachFrom: number;
};

/** The lease of a device that was heard but has sent no heartbeat yet. */
export const leaseBeforeHeartbeat = seconds(90);
export const shortestGrace = seconds(5);

/** How long after the end of its lease a device is `late` before it is `offline`: one more lease, 5 s at least. */
export const graceOf = (leaseMs: number): number => Math.max(shortestGrace, leaseMs);

export type Verdict = { is: Connectivity["is"]; because: string; since?: number; nextJudgementAt?: number };

/**
 * Whether a device can be reached, judged from its contact lease: online until the lease ends, late for one grace, then offline. Pure;
 * a verdict holds until `nextJudgementAt` if nothing is heard. `since` is the moment the device fell into the state.
 */
export function connectivityOf(facts: ContactFacts | undefined, now: number): Verdict {
  if (facts === undefined) return { is: "never_seen", because: "It has never been heard." };
  const { lastContactAt, leaseMs, reachFrom } = facts;
  const leaseUntil = lastContactAt + leaseMs;
  const offlineAt = leaseUntil + graceOf(leaseMs);
  if (now < leaseUntil) {
    const because = `Heard ${ago(now - lastContactAt)}; its lease of ${humanDuration(leaseMs)} lasts until ${iso(leaseUntil)}.`;
    return { is: "online", because, since: reachFrom, nextJudgementAt: leaseUntil };
  }
  const ended = `its lease of ${humanDuration(leaseMs)} ended at ${iso(leaseUntil)}`;
  if (now < offlineAt) {
    return {
      is: "late",
      because: `Late by ${humanDuration(now - leaseUntil)}: ${ended}.`,
      since: leaseUntil,
      nextJudgementAt: offlineAt,
    };
  }
  const silence = humanDuration(now - lastContactAt);
  return {
    is: "offline",
    because: `Silent for ${silence}: ${ended}, and ${humanDuration(offlineAt - leaseUntil)} of grace passed.`,
    since: offlineAt,
  };
}

const iso = (at: number) => new Date(at).toISOString();
const ago = (length: number) => (length < seconds(1) ? "just now" : `${humanDuration(length)} ago`);
