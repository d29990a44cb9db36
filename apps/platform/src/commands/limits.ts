import { days, minutes, seconds } from "@tenfold/base";

/** Devices that one command, or one change of desired states, may reach. */
export const mostTargets = 10_000;
/** Commands that may wait for one device. A device remembers twice as many, so that it never does one twice (docs/protocol/commands.md C10). */
export const mostPending = 32;
export const largestArgs = 8 * 1024;
export const largestDesired = 32 * 1024;
export const largestResult = 16 * 1024;

export const shortestDeadline = seconds(1);
export const longestDeadline = days(30);
/** A result that was acknowledged before the deadline may take this long to be read. */
export const resultGrace = seconds(2);

/** How long a command, or a desired state, waits before it is put on the connection again; it doubles up to the last. */
export const firstResend = seconds(10);
export const longestResend = minutes(10);
