import type { Scope } from "@tenfold/base";
import type { RolloutStanding, UpdateStatus } from "@tenfold/contracts";
import type { DevicePicture, RolloutsDeps } from "./deps.ts";
import { rolloutProblems } from "./errors.ts";
import { explainPlaced, fixOf, ofState, type Placed, type Standing } from "./explain.ts";
import { lastHeardOf, lineUp, lineUpAhead, pictureRollout, pinsFor } from "./picture.shell.ts";
import { placedOf } from "./placed.shell.ts";
import { targetOf } from "./prepare.shell.ts";
import { engineOf } from "./rollout.ts";
import { stonesOf } from "./stones.shell.ts";
import type { StoredRollout } from "./store.ts";
import { exclusionOf } from "./targets.ts";

/** Why a device is not updated, for every open rollout, or for the one that is asked about. Looks, and changes nothing. */
export async function explainDevice(
  deps: RolloutsDeps,
  scope: Scope,
  { device: id, rollout: only }: { device: string; rollout?: string | undefined },
): Promise<UpdateStatus> {
  const { db, book, registry, clock } = deps;
  const now = clock.now();
  const [device] = await registry.pictures(scope, [id]);
  if (device === undefined)
    throw rolloutProblems.rollout_device_unknown(`Device "${id}" is not registered.`, { fix: "See `tenfold device list`." });
  const rollouts = only === undefined ? await book.openRollouts(db, scope) : [await book.findRollout(db, scope, only)];
  if (only !== undefined && rollouts[0] === undefined)
    throw rolloutProblems.rollout_unknown(`There is no rollout "${only}".`, { fix: "See `tenfold rollout list`." });
  const standings: RolloutStanding[] = [];
  for (const rollout of rollouts) if (rollout) standings.push(await standingIn(deps, scope, { device, rollout, now }));
  const answer = telling(standings) ?? (await lastOf(deps, scope, id));
  const fix = fixOf(answer.code, { device: id });
  return {
    ...{ device: id, at: new Date(now).toISOString(), code: answer.code, because: answer.because, rollouts: standings },
    ...(device.firmware ? { version: device.firmware.version } : {}),
    ...(answer.until === undefined ? {} : { until: answer.until }),
    ...(answer.fix === undefined ? (fix === undefined ? {} : { fix }) : { fix: answer.fix }),
  };
}

type Question = { device: DevicePicture; rollout: StoredRollout; now: number };

async function standingIn(deps: RolloutsDeps, scope: Scope, question: Question): Promise<RolloutStanding> {
  const { device, rollout } = question;
  const placed = await placedOf(deps.db, scope, { device: device.id, rollout: rollout.id });
  const standing = placed ? await placedStanding(deps, scope, { ...question, placed }) : await outside(deps, scope, question);
  const fix = fixOf(standing.code, { device: device.id, rollout: rollout.id });
  return {
    ...{ rollout: rollout.id, version: rollout.release.version, code: standing.code, because: standing.because },
    ...(standing.until === undefined ? {} : { until: new Date(standing.until).toISOString() }),
    ...(fix === undefined ? {} : { fix }),
    ...(placed ? { deployment: placed.deployment, stage: placed.stage } : {}),
  };
}

/** The loop's own picture, line and planner, without its lock. */
async function placedStanding(
  deps: RolloutsDeps,
  scope: Scope,
  { rollout, now, placed }: Question & { placed: Placed },
): Promise<Standing> {
  const line = placed.state === "queued" ? await lineUp(deps, scope, { rollout, now }) : [];
  const ahead = placed.awaits ? await lineUpAhead(deps, scope, { rollout, now }) : new Map();
  const heard = await lastHeardOf(deps, scope, { rollout, now });
  const picture = await pictureRollout(deps, scope, { is: "glance", db: deps.db }, { rollout, line, ahead, now, heard });
  return explainPlaced({ ...placed, wanted: rollout.release.version }, { rollout: engineOf(rollout), picture }, now);
}

/** A device that the rollout has no place for. */
async function outside(deps: RolloutsDeps, scope: Scope, { device, rollout, now }: Question): Promise<Standing> {
  const { db, book, registry, releases } = deps;
  const [match] = await registry.select(scope, rollout.plan.filter, { among: [device.id] });
  if (match === undefined) return { code: "not_in_filter", because: `It does not match "${rollout.plan.filter}".` };
  const release = await releases.get(db, scope, rollout.release.id);
  if (release === undefined) return { code: "release_unusable", because: "Its release is not there any more." };
  const exclusion = exclusionOf(device, {
    release: targetOf(release),
    weight: rollout.weight,
    now,
    busy: await book.busyDevices(db, scope, { except: rollout.id, among: [device.id] }),
    pins: await pinsFor(deps, scope, { devices: [device.id], now }),
    stones: await stonesOf(deps, db, scope, release),
  });
  if (exclusion) return { code: exclusion.code, because: `It ${exclusion.because.replace(/^It /, "").replace(/\.$/, "")}.` };
  if (rollout.plan.lateJoiners === "join")
    return { code: "joins_next", because: "It came to match after the start, and joins within a minute." };
  if ((rollout.plan.stages.at(-1)?.share ?? 1) < 1)
    return {
      code: "beyond_last_stage",
      because: "The rollout's last stage does not reach everybody, or it came to match after the start.",
    };
  return { code: "joined_too_late", because: "It came to match after the rollout had chosen its devices." };
}

const settled: readonly string[] = [
  "updated",
  "not_in_filter",
  "runs_release",
  "runs_newer",
  "other_model",
  "joined_too_late",
  "beyond_last_stage",
];

/** The standing that counts: of the rollout that has a place for it and most weight; of those that leave it out, only where none has. */
function telling(standings: readonly RolloutStanding[]): RolloutStanding | undefined {
  return (
    standings.find(({ deployment, code }) => deployment !== undefined && !settled.includes(code)) ??
    standings.find(({ code }) => !settled.includes(code)) ??
    standings[0]
  );
}

type Last = Pick<UpdateStatus, "code" | "because" | "until" | "fix">;

/** No rollout is open: what became of the last one. */
async function lastOf({ db }: RolloutsDeps, scope: Scope, device: string): Promise<Last> {
  const placed = await placedOf(db, scope, { device });
  const nothing: Last = { code: "no_open_rollout", because: "No rollout is open, and none has ever meant this device." };
  if (placed === undefined || placed.state === "queued") return nothing;
  const { code, because } = ofState(placed);
  const fix = fixOf(code, { device, rollout: placed.rollout });
  return {
    code: code === "updated" ? "no_open_rollout" : code,
    because: `No rollout is open. Its last one (${placed.rollout}): ${because}`,
    ...(fix === undefined ? {} : { fix }),
  };
}
