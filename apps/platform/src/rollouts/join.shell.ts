import { hours, minutes, newId, type Scope } from "@tenfold/base";
import type { RolloutsDeps } from "./deps.ts";
import { joinStage } from "./join.ts";
import { pinsFor } from "./picture.shell.ts";
import { targetOf } from "./prepare.shell.ts";
import { stonesOf } from "./stones.shell.ts";
import type { StoredRollout } from "./store.ts";
import { stratumOf } from "./strata.ts";
import { talliesOf } from "./tallies.shell.ts";
import { chooseTargets } from "./targets.ts";

const every = minutes(1);
/** What was committed while the last look was taken is looked at twice rather than never. */
const overlap = minutes(2);

/**
 * Takes in devices that came to match the filter, where the plan wants them. Goes by what changed since the last look; once an hour by the
 * whole fleet, because members of a static group do not change themselves when they are put into it. Resolves to how many joined.
 */
export async function joinLate(
  deps: RolloutsDeps,
  scope: Scope,
  { rollout, now }: { rollout: StoredRollout; now: number },
): Promise<number> {
  const { phase, plan, joinedAt = rollout.createdAt } = rollout;
  if (plan.lateJoiners !== "join" || phase !== "running" || now - joinedAt < every) return 0;
  const { db, book, registry, releases } = deps;
  const sweeps = Math.floor(joinedAt / hours(1)) !== Math.floor(now / hours(1));
  const found = await registry.select(scope, plan.filter, sweeps ? {} : { changedSince: joinedAt - overlap });
  const release = await releases.get(db, scope, rollout.release.id);
  if (release === undefined) return 0;
  const { targets } = chooseTargets(found, {
    release: targetOf(release),
    weight: rollout.weight,
    now,
    busy: await book.busyDevices(db, scope, { except: rollout.id, among: found.map(({ id }) => id) }),
    pins: await pinsFor(deps, scope, { devices: found.map(({ id }) => id), now }),
    stones: await stonesOf(deps, db, scope, release),
  });
  return db.transaction().execute(async (tx) => {
    const locked = await book.lockFree(tx, scope, rollout.id);
    if (locked?.phase !== "running") return 0;
    const members = await book.membersAmong(tx, scope, { rollout: rollout.id, devices: targets.map(({ id }) => id) });
    const joining = targets.filter(({ id }) => !members.has(id));
    await book.noteJoined(tx, scope, { id: rollout.id, at: now });
    if (joining.length === 0) return 0;
    const { stages } = talliesOf(
      (await book.stagesOf(tx, scope, [rollout.id])).get(rollout.id) ?? [],
      await book.countDeployments(tx, scope, [rollout.id]),
    );
    const stage = joinStage(stages, locked.stage);
    await book.addTargets(tx, scope, {
      rollout: locked,
      stage,
      at: now,
      members: joining.map((device) => ({
        id: newId("dep", now),
        device: device.id,
        stratum: stratumOf(device, plan.strata),
        delayMs: 0,
      })),
    });
    const because = `${joining.length} ${joining.length === 1 ? "device" : "devices"} came to match and joined stage ${stage + 1}.`;
    await book.insertDecision(tx, scope, rollout.id, {
      at: now,
      decision: "joined",
      because,
      stage,
      evidence: { devices: joining.slice(0, 100).map(({ id }) => id), count: joining.length },
    });
    return joining.length;
  });
}
