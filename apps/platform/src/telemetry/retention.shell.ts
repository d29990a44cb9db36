import { createHash } from "node:crypto";
import { canonicalJson, hours, minutes, newId, type Scope } from "@tenfold/base";
import type { Actor, Deletion, KeepDays, RetentionClass, RetentionPreview } from "@tenfold/contracts";
import { type Audit, systemActor } from "../access/index.ts";
import { type Clock, type ColumnStore, type Database, type Log, type Loop, startLoop, type Transaction } from "../kernel/index.ts";
import { telemetryProblems } from "./errors.ts";
import { readHoldsInForce } from "./holds.shell.ts";
import { dueBefore, type HeldWindow, planPartitions } from "./retention.ts";
import {
  deletePartition,
  fingerprint,
  finishDeletion,
  insertDeletion,
  lockRetention,
  type Plan,
  type PlannedDeletion,
  readDeletions,
  readFleets,
  readPartitions,
  readPolicy,
  readUnfinished,
  shownPartition,
  writePolicy,
} from "./retention-store.shell.ts";
import type { RollUps } from "./rollup.shell.ts";

export type RetentionDeps = {
  db: Database;
  store: ColumnStore;
  clock: Clock;
  log: Log;
  audit: Audit;
  rollUps: Pick<RollUps, "rollUp" | "rolledUntil">;
};

/** What is given replaces that part of the policy. */
export type KeepWish = { [Kind in RetentionClass]?: number | null | undefined };

const classes: readonly RetentionClass[] = ["raw", "minute", "hour", "events", "logs"];

const withWish = (keepDays: KeepDays, wish: KeepWish): KeepDays => ({
  ...keepDays,
  ...Object.fromEntries(Object.entries(wish).filter(([, days]) => days !== undefined)),
});

/** What the policy, with this wish, would delete now. Changes nothing. */
export async function previewRetention(deps: RetentionDeps, scope: Scope, wish: KeepWish): Promise<RetentionPreview[]> {
  const keepDays = withWish((await readPolicy(deps.db, scope)).keepDays, wish);
  const holds = (await readHoldsInForce(deps.db, scope)).map(windowOf);
  const items: RetentionPreview[] = [];
  for (const kind of classes) {
    const before = dueBefore(keepDays[kind], deps.clock.now());
    const facts = before === undefined ? [] : await readPartitions(deps.store, scope, { kind, before, holds });
    const partitions = planPartitions(facts);
    items.push({
      class: kind,
      keepDays: keepDays[kind],
      ...(before === undefined ? {} : { before: new Date(before).toISOString() }),
      rows: partitions.reduce((sum, { rows }) => sum + rows, 0),
      heldRows: facts.reduce((sum, { held }) => sum + held, 0),
      bytes: partitions.reduce((sum, { bytes }) => sum + bytes, 0),
      partitions: partitions.map(shownPartition),
    });
  }
  return items;
}

const windowOf = ({ devices, from, until }: { devices: string[]; from: string; until: string }): HeldWindow => ({
  devices,
  from: Date.parse(from),
  until: Date.parse(until),
});

export type Application = { wish: KeepWish; reason: string; actor: Actor };

/** Makes the wish the policy and deletes what it says: planned and recorded first, then deleted, then proved. Resolves to the deletions. */
export async function applyRetention(deps: RetentionDeps, scope: Scope, { wish, reason, actor }: Application): Promise<Deletion[]> {
  const { db, clock, audit } = deps;
  await finishUnfinished(deps, scope);
  await settleCells(deps);
  const ids = await db.transaction().execute(async (tx) => {
    await lockRetention(tx);
    const before = (await readPolicy(tx, scope)).keepDays;
    const keepDays = withWish(before, wish);
    const planned = await planDeletions(deps, scope, { tx, keepDays, reason, actor });
    if (canonicalJson(keepDays) !== canonicalJson(before)) {
      await writePolicy(tx, scope, { keepDays, actor, at: new Date(clock.now()) });
      const change = { action: "retention.changed", subject: { kind: "retention", id: scope.fleet } };
      await audit(tx, scope, { actor, ...change, detail: { before, after: keepDays, reason } });
    }
    return planned;
  });
  await finishUnfinished(deps, scope);
  return ids.length === 0 ? [] : readDeletions(db, scope, ids);
}

/** Points may only go when their cells count them. */
async function settleCells({ rollUps, clock }: RetentionDeps): Promise<void> {
  await rollUps.rollUp("all");
  // Points that come all the time keep the running hours due; those are never deleted, since a day is the shortest that is kept.
  if ((await rollUps.rolledUntil()) < clock.now() - hours(2))
    throw telemetryProblems.retention_waits("Old points are still being counted into minutes and hours.", {
      fix: "Try again in a minute; nothing was deleted.",
      retryAfterS: 60,
    });
}

async function planDeletions(
  { store, clock }: RetentionDeps,
  scope: Scope,
  { tx, keepDays, reason, actor }: { tx: Transaction; keepDays: KeepDays; reason: string; actor: Actor },
): Promise<string[]> {
  const holds = (await readHoldsInForce(tx, scope)).map((each) => ({ id: each.id, ...windowOf(each) }));
  const unfinished = new Set((await readUnfinished(tx, scope)).map((each) => each.class));
  const ids: string[] = [];
  for (const kind of classes) {
    const before = dueBefore(keepDays[kind], clock.now());
    if (before === undefined || unfinished.has(kind)) continue;
    const partitions: Plan["partitions"] = [];
    for (const plan of planPartitions(await readPartitions(store, scope, { kind, before, holds })))
      partitions.push({ ...plan, fingerprint: await fingerprint(store, scope, { kind, before, holds, plan }) });
    if (partitions.length === 0) continue;
    const id = newId("del", clock.now());
    const plan = { holds, partitions };
    await insertDeletion(tx, scope, { id, class: kind, before, reason, actor, plannedAt: clock.now(), plan });
    ids.push(id);
  }
  return ids;
}

/** Carries out what is planned, also by a process that died since. Holds that were set after the plan cannot reach into it. */
async function finishUnfinished(deps: RetentionDeps, scope: Scope): Promise<void> {
  const { db, store, clock, audit, log } = deps;
  for (const planned of await readUnfinished(db, scope)) {
    const { holds, partitions } = planned.plan;
    for (const { partition } of partitions)
      await deletePartition(store, scope, { kind: planned.class, before: planned.before, holds, partition });
    const { proof, sha256 } = proofOf(scope, planned);
    const finished = await db.transaction().execute(async (tx) => {
      if (!(await finishDeletion(tx, { id: planned.id, sha256, at: new Date(clock.now()) }))) return false;
      const subject = { kind: "deletion", id: planned.id };
      await audit(tx, scope, { actor: planned.actor, action: "telemetry.deleted", subject, detail: { ...proof, sha256 } });
      return true;
    });
    if (finished) log.info("retention.deleted", { deletion: planned.id, class: planned.class, rows: proof.rows });
  }
}

/** What the audit trail keeps: enough to say years later what is gone, since when, why, and that it was this. */
function proofOf({ fleet }: Scope, { id, before, reason, plan, ...rest }: PlannedDeletion) {
  const proof = {
    id,
    fleet,
    class: rest.class,
    before: new Date(before).toISOString(),
    reason,
    rows: plan.partitions.reduce((sum, { rows }) => sum + rows, 0),
    bytes: plan.partitions.reduce((sum, { bytes }) => sum + bytes, 0),
    from: new Date(Math.min(...plan.partitions.map(({ from }) => from))).toISOString(),
    to: new Date(Math.max(...plan.partitions.map(({ to }) => to))).toISOString(),
    partitions: plan.partitions,
    holds: plan.holds.map((held) => held.id),
  };
  return { proof, sha256: createHash("sha256").update(canonicalJson(proof)).digest("hex") };
}

/** Applies every fleet's policy every few hours, and ends what an earlier process began; not in a server's first minutes. */
export function startRetention(deps: RetentionDeps): Loop {
  let next = deps.clock.now() + minutes(10);
  return startLoop({
    name: "telemetry.retention",
    everyMs: minutes(1),
    log: deps.log,
    run: async (signal) => {
      if (deps.clock.now() < next) return;
      for (const fleet of await readFleets(deps.db)) {
        if (signal.aborted) return;
        await applyRetention(deps, { fleet }, { wish: {}, reason: "the retention policy", actor: systemActor });
      }
      next = deps.clock.now() + hours(6);
    },
  });
}
