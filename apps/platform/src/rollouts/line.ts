import { hash32, minutes, seconds } from "@tenfold/base";
import type { BlockCode, DeploymentReason } from "@tenfold/contracts";
import { type Block, type Circumstances, judgeConditions } from "./conditions.ts";
import type { Rollout } from "./rollout.ts";
import type { WindowJudge } from "./windows.ts";

/** A deployment that is waiting for its offer, with what its device is doing now. In the order of the line. */
export type Waiting = {
  deployment: string;
  device: string;
  online: boolean;
  /** Since when it could have had its turn: the beginning of its stage, or of its present try (ms). */
  since?: number;
  pointless?: { reason: DeploymentReason; detail: string };
  /** The stepping stone that it installs first, in place of the release. */
  via?: { release: string; version: string; sha256: string };
  /** What stands against an offer now. */
  block?: Block;
  /** It is offered to download ahead; where its window is open already, it may install too, until that closes. */
  ahead?: { is: "download" } | { is: "install"; until?: number };
};

/** What the verdict on one device in the line depends on, the rollout's own plan apart. */
export type Candidate = Circumstances & {
  tags: Readonly<Record<string, string>>;
  /** It is not to be offered before (ms): it is backing off, or its jitter has not passed. */
  notBefore?: { at: number; code: "backing_off" | "jitter"; because: string };
  /** The rollout that has an update on its way on the device. */
  busyWith?: string;
  /** The rollout that goes first on this device. */
  yieldsTo?: { rollout: string; because: string };
  /** The stepping stone that it comes to next has yet to be proven by its own rollout. */
  unproven?: string;
  /** Pins and exclusions that hold for it. */
  pins: readonly Pin[];
  /** The prerequisite that it does not meet, if so. */
  missing?: string;
};

export type Pin = { id: string; version?: string; reason: string; expiresAt?: number };

export type LineRules = Pick<Rollout, "windows" | "conditions"> & {
  kind: "updates" | "restores";
  /** The version that is handed out. */
  version: string;
  /** The fleet's own windows. A device must be inside one of these and one of the plan's. */
  policyWindows: Rollout["windows"];
};

/** What stands against an offer to this device now, if anything. A way back waits for nothing but the device itself. */
export function judgeCandidate(
  candidate: Candidate,
  rules: LineRules,
  { now, openWindows }: { now: number; openWindows: WindowJudge },
): Block | undefined {
  const { busyWith, yieldsTo, notBefore, missing, unproven } = candidate;
  if (busyWith !== undefined) return { code: "update_in_flight", because: `An update of ${busyWith} is on its way on it.` };
  if (rules.kind === "restores") return undefined;
  if (yieldsTo !== undefined) return { code: "yields", because: yieldsTo.because };
  if (unproven !== undefined) return { code: "stone_not_proven", because: unproven };
  if (notBefore !== undefined && notBefore.at > now)
    return { code: notBefore.code, because: notBefore.because, until: notBefore.at };
  return (
    judgePins(candidate.pins, rules.version, now) ??
    (missing === undefined ? undefined : { code: "prerequisite_missing", because: missing }) ??
    judgeWindows(candidate, rules, openWindows) ??
    judgeConditions(rules.conditions, candidate)
  );
}

/** A pin to this very version lets it through; every other one, and every exclusion, stands against it. */
export function judgePins(pins: readonly Pin[], version: string, now: number): Block | undefined {
  const against = pins.find((pin) => pin.version !== version && (pin.expiresAt === undefined || pin.expiresAt > now));
  if (against === undefined) return undefined;
  const code = against.version === undefined ? "excluded" : "pinned";
  const what = against.version === undefined ? "It is excluded from updates" : `It is pinned to ${against.version}`;
  return {
    code,
    because: `${what}: ${against.reason}`,
    ...(against.expiresAt === undefined ? {} : { until: against.expiresAt }),
  };
}

function judgeWindows({ tags }: Candidate, { windows, policyWindows }: LineRules, open: WindowJudge): Block | undefined {
  for (const list of [policyWindows, windows]) {
    const opening = open(list, tags);
    if (opening.is === "closed")
      return {
        code: "outside_window",
        because: opening.because,
        ...(opening.until === undefined ? {} : { until: opening.until }),
      };
  }
  return undefined;
}

/** What comes of one device in the line on this look. */
export type Turn =
  | { is: "offer" }
  | { is: "skip"; reason: DeploymentReason; detail: string }
  | { is: "blocked"; block: Block; lookAgainAt: number }
  | { is: "waits" };

/**
 * Goes through the line: whoever has nothing against it takes a place while there are places; whoever is blocked steps aside until it can
 * change, so that nobody behind has to wait for it; whoever was blocked for longer than the plan's patience is skipped.
 */
export function walkLine(
  waiting: readonly Waiting[],
  { places, giveUpAfterMs }: { places: number; giveUpAfterMs: number },
  now: number,
): Turn[] {
  let left = places;
  return waiting.map((one): Turn => {
    if (left <= 0) return { is: "waits" };
    if (one.pointless) return { is: "skip", ...one.pointless };
    if (one.block) return aside(one, one.block, { giveUpAfterMs, now });
    left -= 1;
    return { is: "offer" };
  });
}

function aside({ device, since }: Waiting, block: Block, { giveUpAfterMs, now }: { giveUpAfterMs: number; now: number }): Turn {
  if (since !== undefined && now >= since + giveUpAfterMs)
    return { is: "skip", reason: "could_not_be_offered", detail: `It could not be offered for too long. ${block.because}` };
  const patienceEnds = since === undefined ? Number.POSITIVE_INFINITY : since + giveUpAfterMs;
  return { is: "blocked", block, lookAgainAt: Math.min(patienceEnds, lookAgainAt(device, block, now)) };
}

const soon: ReadonlySet<BlockCode> = new Set(["update_in_flight", "yields"]);

/** When it can change by itself; else after a while, spread out so that a fleet is not looked at all at once. */
export function lookAgainAt(device: string, { code, until }: Block, now: number): number {
  if (until !== undefined) return until;
  const wait = soon.has(code) ? seconds(15) : minutes(1);
  return now + wait + Math.floor((wait * hash32(`${device}/${now}`)) / 2 ** 32);
}
