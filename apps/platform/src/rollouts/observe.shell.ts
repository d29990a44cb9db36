import type { Scope } from "@tenfold/base";
import type { DeploymentReport, Heartbeat } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Transaction } from "../kernel/index.ts";
import { lockWatched, saveWatched } from "./deployments.shell.ts";
import type { RolloutsDeps } from "./deps.ts";
import { applyHeartbeat, applyReport, type Watched } from "./progress.ts";

export type ObservedReport = { device: string; scope: Scope; deployment: string; report: DeploymentReport; at: number };
export type ObservedHeartbeat = { device: string; scope: Scope; heartbeat: Pick<Heartbeat, "bootId" | "firmware">; at: number };

type Observing = Pick<RolloutsDeps, "db" | "bus" | "clock">;
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
  { db, bus, clock }: Observing,
  scope: Scope,
  { messages, apply }: Application<M>,
): Promise<number> {
  const byDevice = Map.groupBy(messages, ({ device }) => device);
  const changed = await db.transaction().execute(async (tx) => {
    const watched = await lockWatched(tx, scope, [...byDevice.keys()]);
    const changes = watched.flatMap((deployment) => {
      const after = (byDevice.get(deployment.device) ?? []).reduce((now, message) => apply(now, message) ?? now, deployment);
      return after === deployment ? [] : [after];
    });
    await saveWatched(tx, scope, { changed: changes, at: clock.now() });
    await wakeRollouts(tx, scope, { changed: changes, at: clock.now() });
    return changes;
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

/**
 * The engine looks at once at rollouts that changed. One that was rolled back opens again when a device comes back from silence with the
 * release that everybody else has left.
 */
async function wakeRollouts(
  tx: Transaction,
  scope: Scope,
  { changed, at }: { changed: readonly Watched[]; at: number },
): Promise<void> {
  if (changed.length === 0) return;
  const when = new Date(at);
  const all = [...new Set(changed.map(({ rollout }) => rollout))];
  const strays = new Set(
    changed.filter(({ rollback, returnedWith }) => returnedWith === (rollback ? "old" : "new")).map(({ rollout }) => rollout),
  );
  // Locked in one order, so that two batches never wait for each other.
  await sql`select from rollouts.rollout where fleet = ${scope.fleet} and id = any(${all}::text[]) order by id for update`.execute(
    tx,
  );
  await sql`update rollouts.rollout set look_at = ${when} where fleet = ${scope.fleet} and id = any(${all}::text[])`.execute(tx);
  await sql`
    update rollouts.rollout set phase = 'rolling_back', because = 'A device came back from silence with the release that was rolled back.', since = ${when}, ended_at = null
    where fleet = ${scope.fleet} and id = any(${[...strays]}::text[]) and phase = 'rolled_back'`.execute(tx);
}
