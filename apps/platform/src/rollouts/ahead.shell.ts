import type { Scope } from "@tenfold/base";
import type { DeploymentState } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import { goOf, never } from "./deployments.shell.ts";
import type { Ahead } from "./picture.ts";

export type AheadRow = Omit<Ahead, "online" | "block" | "closesAt"> & { version: string };

/**
 * Whoever was offered to download ahead, has not begun to install, and is due for a look. Locked, so that no report of it comes between; what a report
 * is changing right now is passed over.
 */
export async function aheadDeployments(
  on: Queryable,
  scope: Scope,
  { rollout, at, limit, lock }: { rollout: string; at: number; limit: number; lock: "rows" | "none" },
): Promise<AheadRow[]> {
  const { rows } = await sql<{
    id: string;
    device: string;
    version: string;
    state: DeploymentState;
    offered_at: Date;
    deadline_at: Date;
    awaits_window: boolean;
    go_at: Date | null;
    go_until: Date | null;
  }>`
    select id, device, version, state, offered_at, deadline_at, awaits_window, go_at, go_until from rollouts.deployment
    where fleet = ${scope.fleet} and rollout = ${rollout} and in_flight and ahead and look_again_at <= ${new Date(at)}
      and state in ('offered', 'downloading', 'downloaded', 'verified')
    order by look_again_at, place limit ${limit} ${lock === "rows" ? sql`for update skip locked` : sql``}`.execute(on);
  return rows.map(({ id, device, version, state, offered_at, deadline_at, awaits_window, go_at, go_until }) => ({
    ...{ deployment: id, device, version, state, awaits: awaits_window },
    ...{ offeredAt: offered_at.getTime(), deadlineAt: deadline_at.getTime() },
    ...goOf(go_at, go_until),
  }));
}

/** When the next of them will be due, so that a window that opens is not slept through. */
export async function nextAheadLook(
  on: Queryable,
  scope: Scope,
  { rollout, after }: { rollout: string; after: number },
): Promise<number | undefined> {
  const { rows } = await sql<{ at: Date | null }>`
    select min(look_again_at) as at from rollouts.deployment where fleet = ${scope.fleet} and rollout = ${rollout} and in_flight and ahead
      and look_again_at > ${new Date(after)} and state in ('offered', 'downloading', 'downloaded', 'verified')`.execute(on);
  return rows[0]?.at?.getTime();
}

/** How many of a rollout take no place, because they wait for their window with nothing to do. */
export async function countAwaiting(on: Queryable, scope: Scope, rollout: string): Promise<number> {
  const { rows } = await sql<{ devices: number }>`
    select count(*)::int as devices from rollouts.deployment
    where fleet = ${scope.fleet} and rollout = ${rollout} and in_flight and awaits_window`.execute(on);
  return rows[0]?.devices ?? 0;
}

export type InstallRecord =
  | { do: "let_install"; deployment: string; deadlineAt: number; finalAt: number; until?: number; online?: boolean }
  | { do: "recall_install"; deployment: string; awaits: boolean; deadlineAt: number };

/** Lets devices install, or takes that back. Either way they are told anew. */
export async function recordInstalls(
  tx: Transaction,
  scope: Scope,
  { installs, at }: { installs: readonly InstallRecord[]; at: number },
): Promise<void> {
  if (installs.length === 0) return;
  const when = new Date(at);
  const rows = installs.map((one) => ({
    ...{ id: one.deployment, go: one.do === "let_install", deadline: one.deadlineAt },
    ...(one.do === "let_install"
      ? { awaits: false, final: one.finalAt, until: one.until ?? null, again: one.until ?? never, online: one.online ?? null }
      : { awaits: one.awaits, final: null, until: null, again: at }),
  }));
  await sql`
    update rollouts.deployment d set awaits_window = i.awaits, go_at = case when i.go then ${when}::timestamptz end, go_until = to_timestamp(i.until / 1000.0),
      deadline_at = to_timestamp(i.deadline / 1000.0), final_at = coalesce(to_timestamp(i.final / 1000.0), d.final_at), look_again_at = to_timestamp(i.again / 1000.0),
      online_at_offer = coalesce(i.online, d.online_at_offer), sent_at = null, blocked = null, blocked_because = null, blocked_until = null, updated_at = ${when}
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as i (id text, go boolean, awaits boolean, deadline float8, final float8, until float8, again float8, online boolean)
    where d.fleet = ${scope.fleet} and d.id = i.id and d.in_flight and d.ahead`.execute(tx);
}

/** Nothing is installed any more: whoever waits for its window has the time of a deadline to say that it has given the update up. */
export async function hastenAwaiting(
  tx: Transaction,
  scope: Scope,
  { rollout, at }: { rollout: string; at: number },
): Promise<void> {
  await sql`
    update rollouts.deployment d set deadline_at = least(d.deadline_at, ${new Date(at)}::timestamptz + (r.plan->>'deadline')::interval)
    from rollouts.rollout r where r.fleet = d.fleet and r.id = d.rollout
      and d.fleet = ${scope.fleet} and d.rollout = ${rollout} and d.in_flight and d.awaits_window`.execute(tx);
}
