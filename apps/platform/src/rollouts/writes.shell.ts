import { isDeepStrictEqual } from "node:util";
import { newId, parseDuration, type Scope } from "@tenfold/base";
import type { Actor, RolloutPlan } from "@tenfold/contracts";
import type { StoredRelease } from "../releases/index.ts";
import type { RolloutsDeps } from "./deps.ts";
import { rolloutProblems } from "./errors.ts";
import { placeDevices, stageSizes } from "./membership.ts";
import { haltRollout, type Page } from "./record.shell.ts";
import type { StoredRollout } from "./store.ts";
import { type Choice, chooseTargets } from "./targets.ts";

type Who = { scope: Scope; actor: Actor };

export async function needRollout(
  { db, book }: Pick<RolloutsDeps, "db" | "book">,
  scope: Scope,
  id: string,
): Promise<StoredRollout> {
  const found = await book.findRollout(db, scope, id);
  if (found) return found;
  throw rolloutProblems.rollout_unknown(`There is no rollout "${id}".`, { fix: "See `tenfold rollout list`." });
}

export type Prepared = Choice & { release: StoredRelease; stages: { share: number; devices: number }[] };

/** What a plan means today: a dry run, and the first half of the start. Refuses a plan that cannot be carried out. */
export async function prepare({ db, book, registry, releases }: RolloutsDeps, scope: Scope, plan: RolloutPlan): Promise<Prepared> {
  refuseUnclear(plan);
  const release = await releases.get(db, scope, plan.release);
  if (!release)
    throw rolloutProblems.rollout_release_unusable(`There is no release "${plan.release}".`, {
      field: "release",
      fix: "See `tenfold release list`.",
    });
  const usability = await releases.usability(db, scope, release);
  if (usability.is === "unusable") throw rolloutProblems.rollout_release_unusable(usability.detail, { field: "release" });
  const choice = chooseTargets(await registry.select(scope, plan.filter), {
    release: { ...release, sha256: release.artifact.sha256, fits: release.envelope.signed },
    busy: await book.busyDevices(db, scope),
  });
  const sizes =
    choice.targets.length === 0
      ? plan.stages.map(() => 0)
      : stageSizes(
          choice.targets.length,
          plan.stages.map(({ share }) => share),
        );
  return { ...choice, release, stages: plan.stages.map(({ share }, i) => ({ share, devices: sizes[i] ?? 0 })) };
}

function refuseUnclear({ stages, deadline, soak }: RolloutPlan): void {
  stages.forEach(({ share }, i) => {
    const before = stages[i - 1]?.share ?? 0;
    if (share <= before)
      throw rolloutProblems.rollout_stages_invalid(
        `Stage ${i + 1} reaches ${share}, and ${before} was reached before it: shares are cumulative and must grow.`,
        { field: `stages.${i}.share` },
      );
  });
  if ((parseDuration(deadline) ?? 0) < 1_000)
    throw rolloutProblems.rollout_duration_invalid(`A deadline of ${deadline} leaves no time to update.`, {
      field: "deadline",
      fix: "Give at least PT1S.",
    });
  if (parseDuration(soak) === undefined)
    throw rolloutProblems.rollout_duration_invalid(`${soak} is not a duration.`, { field: "soak" });
}

export type Start = {
  plan: RolloutPlan;
  idempotencyKey?: string;
  /** Decides who is in the canary; given where a simulation must be repeatable. */
  id?: string;
};

/** Starts a rollout: who is in which stage is decided here, once. A repeated idempotency key starts nothing and finds the first one. */
export async function startRollout(
  deps: RolloutsDeps,
  { scope, actor }: Who,
  { plan, idempotencyKey, id: wanted }: Start,
): Promise<StoredRollout> {
  const { db, book, releases, audit, clock, bus } = deps;
  const id = await db.transaction().execute(async (tx) => {
    await book.lockStarts(tx, scope);
    const repeated = idempotencyKey === undefined ? undefined : await book.findByIdempotencyKey(tx, scope, idempotencyKey);
    if (repeated) return sameOrRefused(repeated, plan);
    const { release, targets, stages } = await prepare(deps, scope, plan);
    if (targets.length === 0)
      throw rolloutProblems.rollout_without_targets(`No device would get ${release.name} ${release.version} by this plan.`, {
        field: "filter",
        fix: "Preview it: the answer says why each device is left out.",
      });
    const at = clock.now();
    const rollout = wanted ?? newId("rol", at);
    const places = placeDevices(
      rollout,
      targets,
      plan.stages.map(({ share }) => share),
    ).map((place) => ({ ...place, id: newId("dep", at) }));
    await releases.markUsed(tx, scope, { id: release.id, at });
    const because = `${actor.name} started it for ${places.length} devices.`;
    await book.insertRollout(tx, scope, {
      rollout: {
        id: rollout,
        release: { ...release, sha256: release.artifact.sha256 },
        plan,
        because,
        targets: places.length,
        createdBy: actor.name,
        createdAt: at,
        ...(idempotencyKey ? { idempotencyKey } : {}),
      },
      stages,
      places,
    });
    await book.insertDecision(tx, scope, rollout, {
      at,
      decision: "started",
      because,
      evidence: { targets: places.length, stages: stages.map(({ devices }) => devices) },
    });
    await audit(tx, scope, {
      actor,
      action: "rollout.started",
      subject: { kind: "rollout", id: rollout },
      detail: { release: release.id, version: release.version, targets: places.length },
    });
    return rollout;
  });
  bus.publish({ type: "rollout.changed", subject: id, data: { phase: "running" } });
  return needRollout({ db, book }, scope, id);
}

function sameOrRefused(earlier: StoredRollout, plan: RolloutPlan): string {
  if (isDeepStrictEqual(earlier.plan, plan)) return earlier.id;
  throw rolloutProblems.idempotency_key_reused(`This Idempotency-Key started ${earlier.id} with another plan.`, {
    fix: "Use a new key for a new rollout.",
  });
}

type Turn = { id: string; reason: string };

export async function pauseRollout(deps: RolloutsDeps, who: Who, turn: Turn): Promise<StoredRollout> {
  return changeBy(deps, who, { ...turn, action: "paused", from: ["running"] }, ({ book, tx }, because) =>
    book.changePhase(tx, who.scope, { id: turn.id, phase: "paused", because, at: deps.clock.now() }),
  );
}

/** Goes on. Where it had paused because a stage proved nothing, this is the operator's word that it may go on all the same. */
export async function resumeRollout(deps: RolloutsDeps, who: Who, turn: Turn): Promise<StoredRollout> {
  return changeBy(deps, who, { ...turn, action: "resumed", from: ["paused"] }, async ({ book, tx }, because, { stage }) => {
    await book.waiveStage(tx, who.scope, { id: turn.id, stage });
    await book.changePhase(tx, who.scope, { id: turn.id, phase: "running", because, at: deps.clock.now() });
  });
}

/** Halts and brings back, also when the rollout had already completed. */
export async function rollBackRollout(deps: RolloutsDeps, who: Who, turn: Turn): Promise<StoredRollout> {
  return changeBy(
    deps,
    who,
    { ...turn, action: "rollback_requested", from: ["running", "paused", "halted", "completed"] },
    (page, because, { stage }) => haltRollout(page, { id: turn.id, stage, phase: "rolling_back", because, at: deps.clock.now() }),
  );
}

type Change = Turn & { action: string; from: readonly StoredRollout["phase"][] };

async function changeBy(
  { db, book, audit, clock, bus }: RolloutsDeps,
  { scope, actor }: Who,
  { id, reason, action, from }: Change,
  apply: (page: Page, because: string, rollout: StoredRollout) => Promise<void>,
): Promise<StoredRollout> {
  await db.transaction().execute(async (tx) => {
    const rollout = (await book.lockRollout(tx, scope, id)) ?? (await needRollout({ db, book }, scope, id));
    if (!from.includes(rollout.phase))
      throw rolloutProblems.rollout_phase_conflict(
        `Rollout ${id} is ${rollout.phase}; this needs one that is ${from.join(" or ")}.`,
      );
    const because = `${actor.name}: ${reason}`;
    await apply({ book, tx, scope }, because, rollout);
    await book.insertDecision(tx, scope, id, { at: clock.now(), decision: action, because, stage: rollout.stage });
    await audit(tx, scope, {
      actor,
      action: `rollout.${action}`,
      subject: { kind: "rollout", id },
      detail: { reason, phase: rollout.phase },
    });
  });
  bus.publish({ type: "rollout.changed", subject: id, data: { action } });
  return needRollout({ db, book }, scope, id);
}
