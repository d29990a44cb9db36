import type { Scope } from "@tenfold/base";
import type { BlockCode, DeploymentReason, DeploymentState } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable } from "../kernel/index.ts";
import type { Placed } from "./explain.ts";

type Row = {
  id: string;
  rollout: string;
  stage: number;
  rollback: boolean;
  state: DeploymentState;
  reason: DeploymentReason | null;
  detail: string | null;
  version: string;
  deadline_at: Date | null;
  look_again_at: Date;
  awaits_window: boolean;
  blocked: BlockCode | null;
  blocked_because: string | null;
  blocked_until: Date | null;
};

/** A device's place in a rollout: what is open there, else what came last. Without a rollout, of all of them. */
export async function placedOf(
  on: Queryable,
  scope: Scope,
  { device, rollout }: { device: string; rollout?: string },
): Promise<(Placed & { rollout: string }) | undefined> {
  const { rows } = await sql<Row>`
    select id, rollout, stage, rollback, state, reason, detail, version, deadline_at, look_again_at, in_flight and awaits_window as awaits_window, blocked, blocked_because, blocked_until
    from rollouts.deployment where fleet = ${scope.fleet} and device = ${device} and (${rollout ?? null}::text is null or rollout = ${rollout ?? null}) and not retried
    order by (in_flight or waiting) desc, rollback desc, attempt desc, id desc limit 1`.execute(on);
  const [row] = rows;
  if (row === undefined) return undefined;
  const { id, stage, rollback, state, version, blocked } = row;
  return {
    ...{ deployment: id, rollout: row.rollout, stage, rollback, state, version },
    lookAgainAt: row.look_again_at.getTime(),
    ...(row.awaits_window ? { awaits: true as const } : {}),
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.detail === null ? {} : { detail: row.detail }),
    ...(row.deadline_at === null ? {} : { deadlineAt: row.deadline_at.getTime() }),
    ...(blocked === null
      ? {}
      : {
          blocked: {
            code: blocked,
            because: row.blocked_because ?? "",
            ...(row.blocked_until === null ? {} : { until: row.blocked_until.getTime() }),
          },
        }),
  };
}
