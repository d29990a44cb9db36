import { isDeepStrictEqual } from "node:util";
import type { Scope } from "@tenfold/base";
import type { Actor, RolloutPlan } from "@tenfold/contracts";
import { planHashOf } from "./approvals.ts";
import type { RolloutsDeps } from "./deps.ts";
import { rolloutProblems } from "./errors.ts";
import { type Prepared, prepare } from "./prepare.shell.ts";
import { haltRollout, type Page } from "./record.shell.ts";
import type { StoredRollout } from "./store.ts";

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
    const prepared = await prepare(deps, scope, { plan, ...(wanted === undefined ? {} : { id: wanted }) });
    const { release, stages, places, detours, approvalsNeeded } = prepared;
    if (places.length === 0)
      throw rolloutProblems.rollout_without_targets(`No device would get ${release.name} ${release.version} by this plan.`, {
        field: "filter",
        fix: "Preview it: the answer says why each device is left out.",
      });
    const at = clock.now();
    const rollout = prepared.id;
    const because = startedBecause(actor.name, prepared);
    for (const id of new Set([release.id, ...detours.flatMap(({ stones }) => stones.map((stone) => stone.release))]))
      await releases.markUsed(tx, scope, { id, at });
    await book.insertRollout(tx, scope, {
      rollout: {
        id: rollout,
        release: { ...release, sha256: release.artifact.sha256 },
        plan,
        phase: approvalsNeeded > 0 ? "awaiting_approval" : "running",
        because,
        targets: places.length,
        createdBy: actor.name,
        author: actor.id,
        weight: plan.weight,
        approvalsNeeded,
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
      evidence: {
        targets: places.length,
        stages: stages.map(({ devices }) => devices),
        planHash: planHashOf(plan, release.artifact.sha256),
      },
    });
    await audit(tx, scope, {
      actor,
      action: "rollout.started",
      subject: { kind: "rollout", id: rollout },
      detail: { release: release.id, version: release.version, targets: places.length },
    });
    return rollout;
  });
  bus.publish({ type: "rollout.changed", subject: id, data: { action: "started" } });
  return needRollout({ db, book }, scope, id);
}

function startedBecause(by: string, { places, approvalsNeeded }: Pick<Prepared, "places" | "approvalsNeeded">): string {
  const started = `${by} started it for ${places.length} devices.`;
  if (approvalsNeeded === 0) return started;
  return `${started} It waits for ${approvalsNeeded === 1 ? "an approval" : `${approvalsNeeded} approvals`}.`;
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

/** Ends it without a way back: what is on its way is told to stop, and whoever took the release keeps it. */
export async function cancelRollout(deps: RolloutsDeps, who: Who, turn: Turn): Promise<StoredRollout> {
  return changeBy(
    deps,
    who,
    { ...turn, action: "cancelled", from: ["awaiting_approval", "running", "paused"] },
    async ({ book, tx, scope }, because) => {
      const at = deps.clock.now();
      await book.cancelQueued(tx, scope, { rollout: turn.id, at, line: "updates" });
      await book.hastenAwaiting(tx, scope, { rollout: turn.id, at });
      await book.changePhase(tx, scope, { id: turn.id, phase: "cancelled", because, at, halted: "now", ended: "no" });
    },
  );
}

/** Lets one rollout go on while the fleet is frozen, on somebody's word. */
export async function overrideFreeze(deps: RolloutsDeps, who: Who, turn: Turn): Promise<StoredRollout> {
  return changeBy(
    deps,
    who,
    { ...turn, action: "freeze_overridden", from: ["awaiting_approval", "running", "paused"] },
    ({ book, tx, scope }, because) => book.writeFreezeOverride(tx, scope, { id: turn.id, reason: because, at: deps.clock.now() }),
  );
}

/** Somebody's word for the plan as they saw it. Enough of them, and the engine begins. */
export async function approveRollout(
  deps: RolloutsDeps,
  who: Who,
  { id, planHash, comment }: { id: string; planHash: string; comment?: string | undefined },
): Promise<StoredRollout> {
  const reason = comment ?? "approved";
  const turn = { id, reason, action: "approval_given", from: ["awaiting_approval", "paused"] as const };
  return changeBy(deps, who, turn, async ({ book, tx, scope }, _because, rollout) => {
    const { actor } = who;
    const now = planHashOf(rollout.plan, rollout.release.sha256);
    if (rollout.author === actor.id)
      throw rolloutProblems.approval_by_author(`${actor.name} started ${id} and cannot approve it.`, {
        fix: "Ask somebody else who may approve rollouts.",
      });
    if (planHash !== now)
      throw rolloutProblems.approval_of_other_plan(`The plan of ${id} is not the one that was to be approved.`, {
        field: "planHash",
        fix: `Look at it again: tenfold rollout show ${id}`,
      });
    const at = deps.clock.now();
    await book.insertApproval(tx, scope, {
      rollout: id,
      actor: actor.id,
      name: actor.name,
      planHash,
      at,
      ...(comment === undefined ? {} : { comment }),
    });
    await book.lookAt(tx, scope, { id, at });
  });
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
