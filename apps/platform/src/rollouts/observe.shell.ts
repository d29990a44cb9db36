import { newId, type Scope } from "@tenfold/base";
import type { DeploymentReport, Heartbeat } from "@tenfold/contracts";
import type { Transaction } from "../kernel/index.ts";
import type { RolloutsDeps } from "./deps.ts";
import { applyHeartbeat, applyReport, type Watched, withDeadline } from "./progress.ts";
import { nextAfterStone, type Retries, retriesOf, retryOf } from "./retries.ts";
import { engineOf, isHalted, type Rollout } from "./rollout.ts";

export type ObservedReport = { device: string; scope: Scope; deployment: string; report: DeploymentReport; at: number };
export type ObservedHeartbeat = {
  device: string;
  scope: Scope;
  heartbeat: Pick<Heartbeat, "bootId" | "firmware"> & Partial<Heartbeat>;
  at: number;
};

type Observing = Pick<RolloutsDeps, "db" | "book" | "bus" | "clock">;
type Message = { device: string; scope: Scope; at: number };

/** Takes in what devices tell of their updates. Idempotent; in any order; what concerns no open deployment is left. Resolves to the number of changes. */
export async function observeReports(deps: Observing, batch: readonly ObservedReport[]): Promise<number> {
  return observe(deps, batch, (deployment, { deployment: id, report, at }) =>
    deployment.id === id ? applyReport(deployment, report, at) : undefined,
  );
}

/** Takes in heartbeats, of which few concern an update. Idempotent. Resolves to the number of changes. */
export async function observeHeartbeats(deps: Observing, batch: readonly ObservedHeartbeat[]): Promise<number> {
  return observe(deps, batch, (deployment, { heartbeat, at }) => applyHeartbeat(deployment, heartbeat, at));
}

async function observe<M extends Message>(
  deps: Observing,
  batch: readonly M[],
  apply: (deployment: Watched, message: M) => Watched | undefined,
): Promise<number> {
  let changes = 0;
  for (const messages of Map.groupBy(batch, ({ scope }) => scope.fleet).values()) {
    const [first] = messages;
    if (first) changes += await observeFleet(deps, first.scope, { messages, apply });
  }
  return changes;
}

type Application<M> = { messages: readonly M[]; apply: (deployment: Watched, message: M) => Watched | undefined };

async function observeFleet<M extends Message>(
  { db, book, bus, clock }: Observing,
  scope: Scope,
  { messages, apply }: Application<M>,
): Promise<number> {
  const byDevice = Map.groupBy(messages, ({ device }) => device);
  const changed = await db.transaction().execute(async (tx) => {
    const watched = await book.lockWatched(tx, scope, [...byDevice.keys()]);
    const moves = watched.flatMap((deployment) => {
      const after = (byDevice.get(deployment.device) ?? []).reduce((now, message) => apply(now, message) ?? now, deployment);
      return after === deployment ? [] : [{ before: deployment, after }];
    });
    const at = clock.now();
    // Whoever moves a deployment holds its rollout's row: tallies are kept under that lock.
    await wake(book, tx, scope, { changed: moves.map(({ after }) => after), at });
    const timed = await withDeadlines(book, tx, scope, { moves, at });
    const tried = await withRetries(book, tx, scope, { changed: timed, at });
    await book.saveWatched(tx, scope, { changed: tried, at });
    await book.insertRetries(tx, scope, {
      at,
      retries: tried.flatMap(({ id, retry }) => (retry ? { ...retry, id: newId("dep", at), of: id } : [])),
    });
    return tried;
  });
  for (const { id, rollout, device, state, reason } of changed) {
    bus.publish({
      type: "deployment.changed",
      subject: device,
      data: { rollout, deployment: id, state, ...(reason === undefined ? {} : { reason }) },
    });
  }
  return changed.length;
}

type Move = { before: Watched; after: Watched };

/** Whoever has come to its next step has that step's time. */
async function withDeadlines(
  book: RolloutsDeps["book"],
  tx: Transaction,
  scope: Scope,
  { moves, at }: { moves: readonly Move[]; at: number },
): Promise<Watched[]> {
  const known = new Map<string, Pick<Rollout, "timeouts" | "deadlineMs" | "giveUpAfterMs" | "phase">>();
  const timed = moves.filter(({ before, after }) => before.state !== after.state);
  for (const id of rolloutsOf(timed.map(({ after }) => after))) {
    const rollout = await book.findRollout(tx, scope, id);
    if (rollout) known.set(id, engineOf(rollout));
  }
  return moves.map(({ before, after }) => {
    const rollout = known.get(after.rollout);
    if (rollout === undefined) return after;
    return withDeadline(before, after, { ...rollout, timeouts: rollout.timeouts, halted: isHalted(rollout.phase) }, at);
  });
}

/**
 * What takes the place of what ended: the release after a stone that was booted, also where a halt came between, so that nobody counts as
 * updated by a stone; and, as long as the rollout goes on, another try of a failure that the plan wants tried again.
 */
async function withRetries(
  book: RolloutsDeps["book"],
  tx: Transaction,
  scope: Scope,
  { changed, at }: { changed: readonly Watched[]; at: number },
): Promise<Watched[]> {
  const ended = changed.filter(({ state, rollback }) => state === "failed" || (state === "succeeded" && !rollback));
  const known = new Map<string, { retries: Retries; release: { version: string; sha256: string }; open: boolean }>();
  for (const id of rolloutsOf(ended)) {
    const rollout = await book.findRollout(tx, scope, id);
    if (rollout === undefined) continue;
    const open = rollout.phase === "running" || rollout.phase === "paused";
    known.set(id, { retries: retriesOf(rollout.plan.retries), release: rollout.release, open });
  }
  return changed.map((one) => {
    const rollout = known.get(one.rollout);
    if (rollout === undefined) return one;
    const { release, retries, open } = rollout;
    const stone = nextAfterStone(one, release, at);
    if (stone) return { ...one, retry: open ? stone : { ...stone, halted: true } };
    const again = open ? retryOf({ ...one, reason: one.reason }, retries, at) : undefined;
    return again ? { ...one, retry: again } : one;
  });
}

/** A rollout hears of a change at once; one that had ended hears of a device that came back with the wrong release. */
async function wake(
  book: RolloutsDeps["book"],
  tx: Transaction,
  scope: Scope,
  { changed, at }: { changed: readonly Watched[]; at: number },
): Promise<void> {
  if (changed.length === 0) return;
  const strays = changed.filter(({ rollback, returnedWith }) => returnedWith === (rollback ? "old" : "new"));
  await book.wakeRollouts(tx, scope, { changed: rolloutsOf(changed), strays: rolloutsOf(strays), at });
}

const rolloutsOf = (deployments: readonly Watched[]): string[] => [...new Set(deployments.map(({ rollout }) => rollout))];
