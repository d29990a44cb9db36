import type { Scope } from "@tenfold/base";
import type { DeploymentState, HaltReport } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable } from "../kernel/index.ts";
import { decisionsOf } from "./decisions.shell.ts";
import type { RolloutsDeps } from "./deps.ts";
import { countRestored, harmedDevices, notRestored, reasonsOf } from "./facts.shell.ts";
import { type FirstFailure, writeHaltReport } from "./halt-report.ts";
import { findRollout } from "./store.ts";
import { countDeployments, stagesOf, talliesOf } from "./tallies.shell.ts";

/** The report of a rollout that was halted; undefined when it was not. */
export async function haltReportOf(
  { db, crashSignatures }: Pick<RolloutsDeps, "db" | "crashSignatures">,
  scope: Scope,
  id: string,
): Promise<HaltReport | undefined> {
  const rollout = await findRollout(db, scope, id);
  if (rollout?.haltedAt === undefined) return undefined;
  const [stages, counts, decisions, first, harmed, left, restored, reasons, signatures] = await Promise.all([
    stagesOf(db, scope, [id]),
    countDeployments(db, scope, [id]),
    decisionsOf(db, scope, id),
    firstFailure(db, scope, id),
    harmedDevices(db, scope, id),
    notRestored(db, scope, id),
    countRestored(db, scope, [id]),
    reasonsOf(db, scope, id),
    crashSignatures?.(scope, id) ?? [],
  ]);
  return writeHaltReport({
    rollout,
    haltedAt: rollout.haltedAt,
    stages: talliesOf(stages.get(id) ?? [], counts).stages,
    decisions,
    first,
    harmed,
    notRestored: left,
    restored: restored.get(id) ?? 0,
    reasons,
    signatures,
  });
}

async function firstFailure(on: Queryable, scope: Scope, rollout: string): Promise<FirstFailure | undefined> {
  type Row = {
    device: string;
    ended_at: Date;
    state: DeploymentState;
    reason: string | null;
    detail: string | null;
    log: string[];
  };
  const { rows } = await sql<Row>`
    select device, ended_at, state, reason, detail, log from rollouts.deployment
    where fleet = ${scope.fleet} and rollout = ${rollout} and not rollback and state in ('failed', 'rolled_back', 'unresponsive') and ended_at is not null
    order by ended_at, place limit 1`.execute(on);
  const [row] = rows;
  if (row === undefined) return undefined;
  const { ended_at, reason, detail, ...rest } = row;
  return { ...rest, at: ended_at.toISOString(), ...(reason === null ? {} : { reason }), ...(detail === null ? {} : { detail }) };
}

/** How long after a rollout's end what a device sends still belongs to it: dumps are often sent a day late. */
const stillExposed = "7 days";

/** The update that a device was exposed to at a moment: the newest that it was offered, while its rollout was open or not long after. */
export async function exposureOf(
  on: Queryable,
  scope: Scope,
  { device, at }: { device: string; at: number },
): Promise<{ rollout: string; deployment: string; release: string; version: string } | undefined> {
  const { rows } = await sql<{ rollout: string; deployment: string; release: string; version: string }>`
    select d.rollout, d.id as deployment, d.release, d.version from rollouts.deployment d join rollouts.rollout r on r.fleet = d.fleet and r.id = d.rollout
    where d.fleet = ${scope.fleet} and d.device = ${device} and not d.rollback and d.offered_at <= ${new Date(at)}
      and (r.ended_at is null or r.ended_at + ${stillExposed}::interval > ${new Date(at)})
    order by d.offered_at desc limit 1`.execute(on);
  return rows[0];
}
