import { hours } from "@tenfold/base";
import type { DeploymentReason, DeploymentState, RolloutPhase } from "@tenfold/contracts";
import { isHalted, isInFlight } from "../rollout.ts";

/** The deployment that is in flight on a device. */
export type Current = {
  deployment: string;
  rollback: boolean;
  phase: RolloutPhase;
  release: string;
  version: string;
  sha256: string;
  ahead?: Ahead;
};

/** It waits for its window with the installation; `go`: since when it may install, and until when that is known (ms). */
export type Ahead = { go?: { at?: number; until?: number } };

/** The newest action of a device, with where its deployment stands. Times in ms. */
export type Action = {
  action: number;
  deployment: string;
  release: string;
  version: string;
  sha256: string;
  state: DeploymentState;
  reason?: DeploymentReason;
  endedAt?: number;
  readAt?: number;
  fetchedStart?: number;
  /** The boot of which the device's heartbeats told when it fetched the bytes, and when that was last. */
  fetchedBoot?: string;
  fetchedAt?: number;
  closedAt?: number;
  closedAs?: string;
  cancelRefusedAt?: number;
  statuses: number;
  messages: readonly string[];
  ahead?: Ahead;
};

/** What a device told of itself, and when it was asked. */
export type Teller = {
  attributes: Readonly<Record<string, string>>;
  toldAt?: number;
  askedAt?: number;
  starts: number;
  bootId?: string;
  version?: string;
};

/** `issuedAt`: when the certificate was made with which the device comes; `agent`: what its client calls itself. */
export type Visit = { current?: Current; action?: Action; teller: Teller; issuedAt?: number; agent?: string };

/** What a poll leads to. */
export type Agenda =
  | { is: "nothing" }
  /** There is an update that the device has not heard of. */
  | { is: "open"; current: Current }
  | { is: "deploy"; action: Action }
  | { is: "cancel"; action: Action }
  /** Cancelled before the device knew: it never hears of it. */
  | { is: "withdraw"; current: Current };

/** [DDI 4.6] How long a device may still close what has ended without it. */
const reportsLateFor = hours(1);
const hearsCancelFor = hours(24);

/** hawkBit's word for whether a device may install now; undefined where it need not wait for a window. */
export function windowOf({ ahead }: { ahead?: Ahead }, now: number): "available" | "unavailable" | undefined {
  if (ahead === undefined) return undefined;
  const { go } = ahead;
  return go === undefined || (go.until !== undefined && go.until <= now) ? "unavailable" : "available";
}

/** It had fetched the bytes before it was let install: what starts of it were seen until then say nothing of what it installs now. */
export const fetchedAhead = ({ ahead, fetchedAt }: Action): boolean =>
  ahead?.go?.at !== undefined && fetchedAt !== undefined && fetchedAt < ahead.go.at;

/**
 * [DDI 4.8] Whether a client downloads and waits where it is told to skip the installation. SWUpdate answers that with success, and others install all
 * the same: only of rauc-hawkbit-updater it is known, and of whoever says so.
 */
export const waitsForWindow = ({ agent = "", teller }: Pick<Visit, "agent" | "teller">): boolean =>
  agent.startsWith("rauc-hawkbit-c-agent/") || teller.attributes.download_ahead === "true";

/** What a device is to do now. Pure; at most one thing at a time. */
export function agendaOf(visit: Visit, now: number): Agenda {
  const { current, action } = visit;
  if (current === undefined) return leftOver(action, now);
  const known = action?.deployment === current.deployment ? action : undefined;
  if (!current.rollback && isHalted(current.phase)) {
    if (known?.readAt === undefined) return { is: "withdraw", current };
    if (known.closedAt !== undefined) return { is: "nothing" };
    return { is: known.cancelRefusedAt === undefined ? "cancel" : "deploy", action: known };
  }
  // Whoever cannot wait hears of it when its window opens; once it has read it, it is at work.
  if (known?.readAt === undefined && windowOf(current, now) === "unavailable" && !waitsForWindow(visit)) return { is: "nothing" };
  if (known === undefined) return { is: "open", current };
  return known.closedAt === undefined ? { is: "deploy", action: known } : { is: "nothing" };
}

/**
 * A deployment can end without its device: verified by a heartbeat, or by its deadline. SWUpdate tells what it did only while the link is
 * there, and a device that was given up must not install any more.
 */
function leftOver(action: Action | undefined, now: number): Agenda {
  if (action?.endedAt === undefined || action.readAt === undefined || action.closedAt !== undefined) return { is: "nothing" };
  const ago = now - action.endedAt;
  const cancel = (): Agenda =>
    ago < hearsCancelFor && action.cancelRefusedAt === undefined ? { is: "cancel", action } : { is: "nothing" };
  // It is still at work, and too late.
  if (action.reason?.endsWith("_timed_out")) return cancel();
  switch (action.state) {
    case "succeeded":
    case "rolled_back":
    case "failed":
      return ago < reportsLateFor ? { is: "deploy", action } : { is: "nothing" };
    case "unresponsive":
    case "cancelled":
    case "skipped":
      return cancel();
    default:
      return { is: "nothing" };
  }
}

/** Installed and waiting for the boot that proves it. */
const awaitsBoot = ({ action }: Visit): boolean => action?.closedAs === "installed" && isInFlight(action.state);

/**
 * Whether to ask for configData: until it was told once with this certificate (a board that came back from repair may be another inside), and
 * again while a boot is awaited, once a polling interval at most, because Zephyr's client asks again at once as long as the link is there [DDI 7.1].
 */
export function wantsAttributes(visit: Visit, now: number, pollMs: number): boolean {
  const { toldAt } = visit.teller;
  if (toldAt === undefined || toldAt < (visit.issuedAt ?? 0)) return true;
  return awaitsBoot(visit) && (toldAt <= (visit.action?.closedAt ?? 0) || now - toldAt >= pollMs);
}

/** What a device is that has an update before it and whose version nobody knows. */
export function unprovable({ toldAt, askedAt }: Teller, now: number, pollMs: number): "wait" | "give_up" {
  return toldAt !== undefined || (askedAt !== undefined && now - askedAt >= pollMs) ? "give_up" : "wait";
}

/**
 * [DDI 8.3] Whether a boot that heartbeats told of began after the device last fetched the bytes. That its name differs is not enough: the boot in which
 * they were fetched may have been heard of only later.
 */
export const isBootAfter = (
  { fetchedBoot, fetchedAt }: Pick<Action, "fetchedBoot" | "fetchedAt">,
  { bootId, bootedAt }: { bootId?: string | undefined; bootedAt?: number | undefined },
): boolean =>
  fetchedBoot !== undefined &&
  fetchedAt !== undefined &&
  bootId !== undefined &&
  bootedAt !== undefined &&
  bootId !== fetchedBoot &&
  bootedAt > fetchedAt;
