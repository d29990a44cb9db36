import type { Scope } from "@tenfold/base";
import { type DeviceEvent, type GuardPlan, guardTimes, type Heartbeat, type RolloutPlan } from "@tenfold/contracts";
import type { Transaction } from "../../kernel/index.ts";
import type { RolloutsDeps } from "../deps.ts";
import type { StoredRollout } from "../store.ts";
import { stratumOf } from "../strata.ts";
import { stageSizesOf } from "../tallies.shell.ts";
import { type Candidate, controlsEach, matchControls, rankAmong, strataOf } from "./matching.ts";
import {
  type Comparison,
  type DueSet,
  dueSets,
  insertSets,
  lockWatchedDevices,
  type NewSet,
  recordJudgements,
  saveSeen,
  unmatchedDevices,
  untouchedDevices,
  type WatchedDevice,
} from "./store.ts";
import { measure, seeEvent, seeHeartbeat } from "./vitals.ts";

type Message = { device: string; scope: Scope; at: number };
export type WatchedHeartbeat = Message & { heartbeat: Pick<Heartbeat, "bootId"> & Partial<Heartbeat> };
export type WatchedEvent = Message & { event: Pick<DeviceEvent, "type"> };

/** Sums up what devices that are being compared say of themselves. Idempotent; in any order, though what is late is left out. */
export const watchHeartbeats = (db: RolloutsDeps["db"], batch: readonly WatchedHeartbeat[]): Promise<void> =>
  watch(db, batch, ({ seen, window }, { heartbeat, at }) => seeHeartbeat(seen, { beat: { uptimeS: 0, ...heartbeat }, at }, window));

export const watchEvents = (db: RolloutsDeps["db"], batch: readonly WatchedEvent[]): Promise<void> =>
  watch(db, batch, ({ seen, window }, { event, at }) => seeEvent(seen, { event, at }, window));

async function watch<M extends Message>(
  db: RolloutsDeps["db"],
  batch: readonly M[],
  see: (watched: WatchedDevice, message: M) => WatchedDevice["seen"],
): Promise<void> {
  for (const messages of Map.groupBy(batch, ({ scope }) => scope.fleet).values()) {
    const [first] = messages;
    if (first === undefined) continue;
    const byDevice = Map.groupBy(messages, ({ device }) => device);
    await db.transaction().execute(async (tx) => {
      const watched = await lockWatchedDevices(tx, first.scope, [...byDevice.keys()]);
      const changed = watched.flatMap((one) => {
        const seen = (byDevice.get(one.device) ?? [])
          .toSorted((a, b) => a.at - b.at)
          .reduce((now, message) => see({ ...one, seen: now }, message), one.seen);
        return seen === one.seen ? [] : [{ ...one, seen }];
      });
      await saveSeen(tx, first.scope, changed);
    });
  }
}

const batch = 200;
/** How many devices are looked at to find controls in the same stratum, for each that is needed. */
const candidatesFor = 4;

/** The sets that the devices which have just become verified shall be in. Read before the rollout is locked: it asks the registry. */
export async function planSets({ db, registry, clock }: RolloutsDeps, scope: Scope, rollout: StoredRollout): Promise<NewSet[]> {
  const { guards, soak } = rollout.plan;
  if (rollout.phase !== "running" || guards.watch.length === 0) return [];
  const each = controlsEach(await stageSizesOf(db, scope, rollout.id))[rollout.stage] ?? 0;
  const { windowMs, settleMs } = guardTimes(guards, soak);
  if (each === 0 || windowMs === 0) return [];
  const place = { rollout: rollout.id, stage: rollout.stage };
  // One whose time is over before anybody looked is not compared: nobody watched it.
  const found = await unmatchedDevices(db, scope, { ...place, since: clock.now() - windowMs, limit: batch });
  if (found.length === 0) return [];
  const untouched = await untouchedDevices(db, scope, { ...place, limit: Math.max(100, found.length * each * candidatesFor) });
  const traits = await traitsOf(registry, scope, {
    devices: [...found.map(({ device }) => device), ...untouched],
    plan: rollout.plan,
  });
  const exposed = found.flatMap(({ device }) => traits.get(device) ?? []);
  const candidates = untouched.flatMap((device) => {
    const one = traits.get(device);
    return one?.online ? [one] : [];
  });
  const byDevice = new Map(found.map((one) => [one.device, one]));
  return matchControls(exposed, candidates, each).flatMap((set) => {
    const one = byDevice.get(set.exposed);
    if (one === undefined) return [];
    const from = one.verifiedAt;
    const window = { from, settledAt: from + Math.min(settleMs, windowMs), until: from + windowMs };
    return [{ ...set, deployment: one.deployment, stage: rollout.stage, window }];
  });
}

async function traitsOf(
  registry: RolloutsDeps["registry"],
  scope: Scope,
  { devices, plan }: { devices: readonly string[]; plan: RolloutPlan },
): Promise<Map<string, Candidate & { online: boolean }>> {
  const pictures = await registry.pictures(scope, devices);
  return new Map(
    pictures.map((picture) => [
      picture.id,
      {
        device: picture.id,
        // Where the plan names strata, chance has decided within each of them only.
        strata: strataOf(picture, plan.guards.matchBy).map((stratum) => `${stratum} ${stratumOf(picture, plan.strata)}`.trim()),
        online: picture.connectivity.is === "online" && picture.lifecycle === "active",
      },
    ]),
  );
}

/** Makes the planned sets and judges those whose time is over. In the transaction that the rollout is locked in; resolves to whether anything changed. */
export async function advanceWatch(
  tx: Transaction,
  scope: Scope,
  { rollout, sets, now }: { rollout: StoredRollout; sets: readonly NewSet[]; now: number },
): Promise<void> {
  const { id, plan, phase } = rollout;
  if (phase !== "running" && phase !== "paused") return;
  await insertSets(tx, scope, { rollout: id, sets });
  const due = await dueSets(tx, scope, { rollout: id, at: now, limit: 4 * batch });
  const comparisons = due.flatMap((set) => compare(set, plan.guards));
  await recordJudgements(tx, scope, { rollout: id, sets: due.map(({ deployment }) => deployment), comparisons, at: now });
}

/** One set by every guard for which the exposed device and some of its controls have been seen enough. */
function compare({ deployment, members }: DueSet, { watch: guards }: GuardPlan): Comparison[] {
  const exposed = members.find((member) => member.exposed);
  if (exposed === undefined) return [];
  return guards.flatMap((guard) => {
    const value = measure(guard, exposed);
    const controlValues = members.flatMap((member) => {
      const one = member.exposed || !member.untouched ? undefined : measure(guard, member);
      return one ?? [];
    });
    const rank = value === undefined ? undefined : rankAmong(value, controlValues);
    return value === undefined || rank === undefined ? [] : [{ guard, deployment, value, controlValues, ...rank }];
  });
}
