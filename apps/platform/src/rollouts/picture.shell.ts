import { minutes, type Scope } from "@tenfold/base";
import type { RolloutPolicy, UpdatePin } from "@tenfold/contracts";
import type { Compatibility } from "@tenfold/ota";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { AheadRow } from "./ahead.shell.ts";
import { type Block, networkOnly, powerOnly } from "./conditions.ts";
import { type DevicePicture, firmwareOf, type RolloutsDeps } from "./deps.ts";
import { judgeCandidate, type LineRules, type Pin, type Waiting } from "./line.ts";
import { type Ahead, type Overdue, type Picture, placesLeft, type Target, type Unrestored } from "./picture.ts";
import { asProven } from "./proof.ts";
import type { Queued } from "./queue.shell.ts";
import { engineOf } from "./rollout.ts";
import { placesFor } from "./shares.ts";
import { standsStill } from "./standstill.ts";
import { stonesOf, waitingFor } from "./stones.shell.ts";
import type { StoredRollout } from "./store.ts";
import { talliesOf } from "./tallies.shell.ts";
import { fittingOf, pointlessOffer } from "./targets.ts";
import { type Stone, type Stones, wayTo } from "./way.ts";
import { type ClosingJudge, closingsAfter, windowsAt } from "./windows.ts";

/** How much one pass takes on: a transaction must stay short. */
export const batch = 200;

/** A device whose turn it is, with what it does now, what holds for it, and the release that it runs. */
export type InLine = Queued & {
  picture: DevicePicture | undefined;
  previousRelease?: string;
  pins: readonly Pin[];
  missing?: string;
};

type Looking = {
  rollout: StoredRollout;
  line: readonly InLine[];
  now: number;
  /** By device. */
  ahead?: ReadonlyMap<string, AheadInLine>;
  /** Around whom it is dark, and why. */
  dark?: ReadonlyMap<string, string>;
  /** When devices whose deadline has passed were last heard. */
  heard?: ReadonlyMap<string, number>;
};

/** What holds now for a device that downloads ahead of its window. */
export type AheadInLine = { picture: DevicePicture | undefined; pins: readonly Pin[]; missing?: string };

/** Where a picture is taken: inside the transaction that its steps are recorded in, or only to look. */
export type View = { is: "locked"; tx: Transaction } | { is: "glance"; db: Queryable };

const lockOf = ({ is }: View): "rows" | "none" => (is === "locked" ? "rows" : "none");

/** Everything that a rollout's next steps depend on. */
export async function pictureRollout(deps: RolloutsDeps, scope: Scope, view: View, looking: Looking): Promise<Picture> {
  const { book, guardBook, releases } = deps;
  const { rollout, now } = looking;
  const { id, phase, plan } = rollout;
  const on = view.is === "locked" ? view.tx : view.db;
  const tallies = talliesOf((await book.stagesOf(on, scope, [id])).get(id) ?? [], await book.countDeployments(on, scope, [id]));
  const release = phase === "running" ? await releases.get(on, scope, rollout.release.id) : undefined;
  const usability = release && (await releases.usability(on, scope, release));
  const offered = release && { fits: release.envelope.signed, stones: await stonesOf(deps, on, scope, release) };
  const policy = await book.policyOf(on, scope);
  return {
    ...tallies,
    overdue: asSeen(
      await book.overdueDeployments(on, scope, {
        rollout: id,
        at: now,
        limit: batch,
        lock: lockOf(view),
      }),
      looking,
    ),
    held: await guardBook.heldDevices(on, scope, id),
    guards: await guardBook.guardSums(on, scope, { rollout: id }),
    waiting: await waitingIn(deps, scope, view, {
      ...looking,
      policy,
      offered,
      startedAt: tallies.stages[rollout.stage]?.startedAt,
    }),
    ...(plan.download === "ahead" ? await aheadOf(deps, scope, view, { ...looking, policy, offered }) : {}),
    unrestored: phase === "rolling_back" ? await unrestoredWithWays(deps, on, scope, id) : [],
    freezes: await book.freezesFrom(on, scope, now),
    policyWindows: policy.windows,
    ...(usability?.is === "unusable" ? { releaseUnusable: usability.detail } : {}),
    ...(rollout.approvalsNeeded > 0 ? { approvals: await book.approvalsOf(on, scope, id) } : {}),
    ...(plan.strata.length > 0 ? { strata: await strataOf(book, on, scope, id) } : {}),
    ...(plan.perMinute === undefined
      ? {}
      : { recentOffers: await book.recentOffers(on, scope, { rollout: id, since: now - minutes(1) }) }),
    ...(plan.requires.rollouts.length > 0 ? { unmetRollouts: await book.unmetRollouts(on, scope, plan.requires.rollouts) } : {}),
    ...(policy.atOnce === undefined ? {} : { sharedPlaces: await sharedPlaces(deps, scope, view, { id, total: policy.atOnce }) }),
  };
}

const strataOf = async (
  book: RolloutsDeps["book"],
  on: Queryable,
  scope: Scope,
  rollout: string,
): Promise<NonNullable<Picture["strata"]>> => ({
  all: await book.countStrata(on, scope, { rollout }),
  canary: await book.countStrata(on, scope, { rollout, stage: 0 }),
});

/** The overdue with what is known of them beside: whether it is dark around them, and whether they are heard all the same. */
const asSeen = (
  overdue: readonly (Overdue & { stepSince: number })[],
  { dark, heard }: Pick<Looking, "dark" | "heard">,
): Overdue[] =>
  overdue.map(({ stepSince, ...one }) => {
    const because = dark?.get(one.device);
    const isHeard = (heard?.get(one.device) ?? Number.NEGATIVE_INFINITY) > stepSince;
    return { ...one, ...(because === undefined ? {} : { dark: because }), ...(isHeard ? { heard: true } : {}) };
  });

/** When those whose deadline has passed were last heard, of whom the contact lease holds. Read before the lock is taken. */
export async function lastHeardOf(
  { db, book, registry }: RolloutsDeps,
  scope: Scope,
  { rollout, now }: Omit<Looking, "line">,
): Promise<Map<string, number>> {
  const overdue = await book.overdueDeployments(db, scope, { rollout: rollout.id, at: now, limit: batch, lock: "none" });
  if (overdue.length === 0) return new Map();
  const pictures = await registry.pictures(
    scope,
    overdue.map(({ device }) => device),
  );
  return new Map(
    pictures.flatMap(({ id, connectivity, lastContactAt }) =>
      connectivity.is === "online" && lastContactAt !== undefined ? [[id, lastContactAt] as const] : [],
    ),
  );
}

/** Shared places are counted and taken by one rollout at a time: two that counted at once would both take the last. */
async function sharedPlaces(
  { book }: RolloutsDeps,
  scope: Scope,
  view: View,
  { id, total }: { id: string; total: number },
): Promise<number> {
  if (view.is === "glance") return placesFor(id, { total, claims: await book.claimsOf(view.db, scope) });
  await book.lockPlaces(view.tx, scope);
  return placesFor(id, { total, claims: await book.claimsOf(view.tx, scope) });
}

/** What is handed out now, with the stones that may come before it. */
type Offered = { fits: Compatibility & { version: string }; stones: Stones };
type Lined = Looking & { policy: RolloutPolicy; offered: Offered | undefined; startedAt: number | undefined };

async function waitingIn({ book }: RolloutsDeps, scope: Scope, view: View, lined: Lined): Promise<Waiting[]> {
  const { rollout, line, now, policy, offered, startedAt } = lined;
  const ids = line.map(({ deployment }) => deployment);
  const still = view.is === "locked" ? await book.stillQueued(view.tx, scope, { deployments: ids, at: now }) : new Set(ids);
  const openWindows = windowsAt(now);
  const kind = rollout.phase === "rolling_back" ? ("restores" as const) : ("updates" as const);
  const { plan } = rollout;
  const { windows, conditions } = plan;
  const closings = closingsAfter(now);
  return line
    .filter(({ deployment }) => still.has(deployment))
    .map((one) => {
      const rules: LineRules = { kind, windows, conditions, version: one.version, policyWindows: policy.windows };
      const { stone, ...waiting } = waitingOf(one, rollout, offered);
      return {
        ...waiting,
        ...(stone ? { via: targetOfStone(stone) } : {}),
        ...(plan.download === "ahead" && kind === "updates" ? aheadOrBlock : blockOf)(
          { ...one, ...(stone ? { stone } : {}) },
          rules,
          { now, openWindows, closings },
        ),
        ...(startedAt === undefined ? {} : { since: startedAt }),
      };
    });
}

function waitingOf(
  { deployment, device, version, sha256, picture, busyWith, yieldsTo }: InLine,
  { phase, release }: StoredRollout,
  offered: Offered | undefined,
): Waiting & { stone?: Stone } {
  // While something is on its way on it, or another way back goes first, what it runs is about to change.
  const changing = busyWith !== undefined || (phase === "rolling_back" && yieldsTo !== undefined);
  const way = offered && picture && !changing ? wayTo(offered.fits, fittingOf(picture), offered.stones) : undefined;
  const pointless = changing
    ? undefined
    : pointlessOffer(picture, {
        target: { version, sha256 },
        ...(phase === "rolling_back" ? { undoes: release } : {}),
        ...(way?.is === "none" ? { misfit: way.misfit } : {}),
      });
  return {
    ...{ deployment, device, online: picture?.connectivity.is === "online" },
    ...(pointless ? { pointless } : {}),
    ...(way?.is === "over" && !pointless ? { stone: way.stones[0] } : {}),
  };
}

/** Who downloads ahead and is due for a look, with what stands against installing now; and how many take no place. */
async function aheadOf(
  { book }: RolloutsDeps,
  scope: Scope,
  view: View,
  { rollout, now, ahead = new Map(), policy, offered }: Looking & { policy: RolloutPolicy; offered: Offered | undefined },
): Promise<Pick<Picture, "ahead" | "awaiting">> {
  const on = view.is === "locked" ? view.tx : view.db;
  const { plan, id } = rollout;
  const rows =
    ahead.size === 0 ? [] : await book.aheadDeployments(on, scope, { rollout: id, at: now, limit: batch, lock: lockOf(view) });
  const [openWindows, closings] = [windowsAt(now), closingsAfter(now)];
  const rules = {
    kind: "updates" as const,
    windows: plan.windows,
    policyWindows: policy.windows,
    conditions: powerOnly(plan.conditions),
  };
  const standing = ({ version, go }: AheadRow, one: AheadInLine): Pick<Ahead, "block" | "closesAt"> => {
    // What was let install is not judged again before its window closes.
    if (go || offered === undefined) return {};
    const lost = notForIt(version, one.picture, offered);
    const { block = lost } = lost ? {} : blockOf(one, { ...rules, version }, { now, openWindows });
    const closesAt = block ? undefined : closings([policy.windows, plan.windows], one.picture?.tags ?? {});
    return { ...(block ? { block } : {}), ...(closesAt === undefined ? {} : { closesAt }) };
  };
  return {
    awaiting: await book.countAwaiting(on, scope, id),
    ahead: rows.flatMap((row): Ahead[] => {
      const { version: _version, ...seen } = row;
      const one = ahead.get(row.device);
      return one === undefined ? [] : [{ ...seen, online: one.picture?.connectivity.is === "online", ...standing(row, one) }];
    }),
  };
}

/**
 * What a device has ready may not be for it any more: a stepping stone may have been taken back, or have to be proven anew; and what it runs may be
 * something else than when it was offered.
 */
function notForIt(version: string, picture: DevicePicture | undefined, { fits, stones }: Offered): Block | undefined {
  if (version === fits.version) {
    const way = picture && wayTo(fits, fittingOf(picture), stones);
    if (way === undefined || way.is === "straight") return undefined;
    return {
      code: "prerequisite_missing",
      because: `It runs ${picture?.firmware?.version ?? "another release"} now, from which ${version} is not next.`,
    };
  }
  const stone = stones.get(version);
  if (stone === undefined)
    return { code: "release_unusable", because: `${version}, a stepping stone, is not handed out any more.` };
  return stone.provenBy === undefined ? undefined : { code: "stone_not_proven", because: notProven(version, stone.provenBy) };
}

const targetOfStone = ({ release, version, sha256 }: Stone): Target => ({ release, version, sha256 });

function blockOf(
  {
    picture,
    busyWith,
    yieldsTo,
    pins,
    missing,
    stone,
  }: Pick<InLine, "picture" | "busyWith" | "yieldsTo" | "pins" | "missing"> & { stone?: Stone },
  rules: LineRules,
  moment: Parameters<typeof judgeCandidate>[2],
): Pick<Waiting, "block"> {
  const block = judgeCandidate(
    {
      tags: picture?.tags ?? {},
      pins,
      ...(picture?.power ? { power: picture.power } : {}),
      ...(picture?.net ? { net: picture.net } : {}),
      ...(busyWith === undefined ? {} : { busyWith }),
      ...(missing === undefined ? {} : { missing }),
      ...(stone?.provenBy === undefined ? {} : { unproven: notProven(stone.version, stone.provenBy) }),
      ...(yieldsTo === undefined ? {} : { yieldsTo: { rollout: yieldsTo.rollout, because: yields(yieldsTo) } }),
    },
    rules,
    moment,
  );
  return block === undefined ? {} : { block };
}

/** Inside its window it may install too; outside of it, or where its power does not allow that, only the network counts. */
function aheadOrBlock(
  one: Parameters<typeof blockOf>[0],
  rules: LineRules,
  { closings, ...moment }: Parameters<typeof judgeCandidate>[2] & { closings: ClosingJudge },
): Pick<Waiting, "block" | "ahead"> {
  const { block } = blockOf(one, rules, moment);
  if (block === undefined) {
    const until = closings([rules.policyWindows, rules.windows], one.picture?.tags ?? {});
    return { ahead: { is: "install", ...(until === undefined ? {} : { until }) } };
  }
  const download = blockOf(one, { ...rules, windows: [], policyWindows: [], conditions: networkOnly(rules.conditions) }, moment);
  return download.block ? download : { ahead: { is: "download" } };
}

const notProven = (version: string, rollout: string): string =>
  `${version}, a stepping stone that it comes to first, is still being rolled out by ${rollout}.`;

const yields = ({ rollout, rollback, weight }: NonNullable<Queued["yieldsTo"]>): string =>
  rollback ? `${rollout} is bringing it back first.` : `${rollout} has more weight (${weight}) and goes first on it.`;

/** The next devices in line with what they do now. Read before the lock is taken: it asks others, and that must not hold a rollout up. */
export async function lineUp(deps: RolloutsDeps, scope: Scope, { rollout, now }: Omit<Looking, "line">): Promise<InLine[]> {
  const { db, book, registry, releases } = deps;
  const places = await placesNow(deps, scope, { rollout, now });
  if (places === 0) return [];
  const queued = await book.queuedDeployments(db, scope, {
    rollout: rollout.id,
    // Some of them will be blocked, and those behind them need not wait for the next look.
    limit: Math.min(batch, places * 2 + 20),
    line: rollout.phase === "running" ? { is: "stage", stage: rollout.stage } : { is: "restores" },
    weight: rollout.weight,
    except: await waitingFor(deps, db, scope, rollout),
    at: now,
  });
  if (queued.length === 0) return [];
  const devices = queued.map(({ device }) => device);
  const proofs = await book.lastProofs(db, scope, devices);
  const pictures = await registry.pictures(scope, devices);
  const found = new Map(pictures.map((picture) => [picture.id, asProven(picture, proofs.get(picture.id))]));
  const pins = await pinsFor(deps, scope, { devices, now });
  const met = await meeting(deps, scope, { devices, filter: rollout.plan.requires.device });
  const previous = await releases.running(
    db,
    scope,
    devices.map((device) => {
      const picture = found.get(device);
      return (picture && firmwareOf(picture)) ?? { version: "" };
    }),
  );
  return queued.map((one, i) => ({
    ...one,
    picture: found.get(one.device),
    pins: pins.get(one.device) ?? [],
    ...(met === undefined || met.has(one.device) ? {} : { missing: `It does not meet "${rollout.plan.requires.device}".` }),
    ...(previous[i] ? { previousRelease: previous[i].id } : {}),
  }));
}

/** Those who download ahead and are due for a look, with what holds for each. Read before the lock is taken. */
export async function lineUpAhead(
  deps: RolloutsDeps,
  scope: Scope,
  { rollout, now }: Omit<Looking, "line">,
): Promise<Map<string, AheadInLine>> {
  const { db, book, registry } = deps;
  if (rollout.plan.download !== "ahead" || rollout.phase !== "running") return new Map();
  const rows = await book.aheadDeployments(db, scope, { rollout: rollout.id, at: now, limit: batch, lock: "none" });
  if (rows.length === 0) return new Map();
  const devices = rows.map(({ device }) => device);
  const found = new Map((await registry.pictures(scope, devices)).map((picture) => [picture.id, picture]));
  const pins = await pinsFor(deps, scope, { devices, now });
  const filter = rollout.plan.requires.device;
  const met = await meeting(deps, scope, { devices, filter });
  return new Map(
    devices.map((device) => [
      device,
      {
        picture: found.get(device),
        pins: pins.get(device) ?? [],
        ...(met === undefined || met.has(device) ? {} : { missing: `It does not meet "${filter}".` }),
      },
    ]),
  );
}

/** How many places there are, so that no more devices are looked at than may be offered something. */
async function placesNow(deps: RolloutsDeps, scope: Scope, { rollout, now }: Omit<Looking, "line">): Promise<number> {
  if (rollout.phase !== "running" && rollout.phase !== "rolling_back") return 0;
  const glance = await pictureRollout(deps, scope, { is: "glance", db: deps.db }, { rollout, line: [], now });
  const engine = engineOf(rollout);
  // Devices whose deadline has passed are about to give their places back.
  const overdue = glance.overdue.length;
  const still = standsStill(engine, glance, now);
  if (still !== undefined && overdue === 0) return 0;
  return placesLeft(engine, glance).places + overdue;
}

/** Pins and exclusions by device. */
export async function pinsFor(
  { db, book, registry }: Pick<RolloutsDeps, "db" | "book" | "registry">,
  scope: Scope,
  { devices, now }: { devices?: readonly string[]; now: number },
): Promise<Map<string, Pin[]>> {
  const byDevice = new Map<string, Pin[]>();
  for (const pin of await book.pinsAt(db, scope, now)) {
    for (const { id } of await registry.select(scope, pin.filter, devices === undefined ? {} : { among: devices }))
      byDevice.set(id, [...(byDevice.get(id) ?? []), pinOf(pin)]);
  }
  return byDevice;
}

const pinOf = ({ id, version, reason, expiresAt }: UpdatePin): Pin => ({
  ...{ id, reason },
  ...(version === undefined ? {} : { version }),
  ...(expiresAt === undefined ? {} : { expiresAt: Date.parse(expiresAt) }),
});

/** Which of the devices meet the plan's prerequisite; undefined where it has none. */
async function meeting(
  { registry }: RolloutsDeps,
  scope: Scope,
  { devices, filter }: { devices: readonly string[]; filter: string },
): Promise<Set<string> | undefined> {
  if (filter === "") return undefined;
  return new Set((await registry.select(scope, filter, { among: devices })).map(({ id }) => id));
}

/** Who must be brought back, each with its last known good release. */
async function unrestoredWithWays(
  { book, releases }: Pick<RolloutsDeps, "book" | "releases">,
  on: Queryable,
  scope: Scope,
  rollout: string,
): Promise<Unrestored[]> {
  const found = await book.unrestoredDeployments(on, scope, { rollout, limit: batch });
  const ways = new Map<string, Target>();
  for (const id of new Set(found.flatMap(({ goodRelease }) => goodRelease ?? []))) {
    const release = await releases.get(on, scope, id);
    if (release) ways.set(id, { release: id, version: release.version, sha256: release.artifact.sha256 });
  }
  return found.map(({ goodRelease, ...one }) => {
    const previous = ways.get(goodRelease ?? "");
    return previous === undefined ? one : { ...one, previous };
  });
}
