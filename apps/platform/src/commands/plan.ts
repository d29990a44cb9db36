import type { CommandState } from "@tenfold/contracts";
import { firstResend, longestResend, resultGrace } from "./limits.ts";

/** A command that has not ended. Times in ms since 1970. */
export type Pending = {
  id: string;
  device: string;
  state: Extract<CommandState, "queued" | "sent" | "delivered">;
  deadlineAt: number;
  attempts: number;
};

/** `lookAt`: when the answer can change by itself. */
export type CommandStep =
  | { do: "expire"; id: string }
  | { do: "send"; id: string; lookAt: number }
  | { do: "wait"; id: string; lookAt: number };

/**
 * What to do about a command now. Pure: the same picture always gives the same step. One that the device has acknowledged is not sent again on
 * the same connection: a device that lost it comes back on a new one, where it is sent with everything else that has no result.
 */
export function planCommand({ id, state, deadlineAt, attempts }: Pending, now: number): CommandStep {
  const expiresAt = deadlineAt + resultGrace;
  if (now >= expiresAt) return { do: "expire", id };
  if (state === "delivered" || now >= deadlineAt) return { do: "wait", id, lookAt: expiresAt };
  return { do: "send", id, lookAt: Math.min(expiresAt, now + resendAfter(attempts)) };
}

/** 10 s, 20 s, 40 s, …, 10 min. */
export const resendAfter = (attempts: number): number => Math.min(longestResend, firstResend * 2 ** Math.min(attempts, 20));
