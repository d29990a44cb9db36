import type { Scope } from "@tenfold/base";
import type { BlockCode, Deployment, DeploymentReason, DeploymentState, DeploymentStep, TimelineEntry } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable } from "../kernel/index.ts";

type Row = {
  id: string;
  rollout: string;
  device: string;
  release: string | null;
  version: string;
  stage: number;
  state: DeploymentState;
  reason: DeploymentReason | null;
  detail: string | null;
  progress: number | null;
  log: string[];
  rollback: boolean;
  offered_at: Date | null;
  downloaded_at: Date | null;
  rebooting_at: Date | null;
  verified_at: Date | null;
  in_flight: boolean;
  ahead: boolean;
  awaits_window: boolean;
  go_at: Date | null;
  deadline_at: Date | null;
  ended_at: Date | null;
  updated_at: Date;
  returned_at: Date | null;
  returned_with: "new" | "old" | null;
  attempt: number;
  retried: boolean;
  stratum: string;
  blocked: BlockCode | null;
  blocked_because: string | null;
  blocked_until: Date | null;
};

const columns = sql.raw(
  "id, rollout, device, release, version, stage, state, reason, detail, progress, log, rollback, offered_at, downloaded_at, rebooting_at, verified_at, in_flight, ahead, awaits_window, go_at, deadline_at, ended_at, updated_at, returned_at, returned_with, attempt, retried, stratum, blocked, blocked_because, blocked_until",
);

const deploymentOf = (row: Row): Deployment => ({
  id: row.id,
  rollout: row.rollout,
  device: row.device,
  release: row.release ?? "",
  version: row.version,
  stage: row.stage,
  state: row.state,
  log: row.log,
  rollback: row.rollback,
  attempt: row.attempt,
  retried: row.retried,
  steps: stepsOf(row),
  ...(row.stratum === "" ? {} : { stratum: row.stratum }),
  ...(row.blocked === null || (row.state !== "queued" && !(row.in_flight && row.awaits_window))
    ? {}
    : {
        blocked: {
          code: row.blocked,
          because: row.blocked_because ?? "",
          ...(row.blocked_until === null ? {} : { until: row.blocked_until.toISOString() }),
        },
      }),
  updatedAt: row.updated_at.toISOString(),
  ...(row.reason === null ? {} : { reason: row.reason }),
  ...(row.detail === null ? {} : { detail: row.detail }),
  ...(row.progress === null ? {} : { progress: row.progress }),
  ...(row.offered_at === null ? {} : { offeredAt: row.offered_at.toISOString() }),
  ...(row.deadline_at === null ? {} : { deadlineAt: row.deadline_at.toISOString() }),
  ...(row.ended_at === null ? {} : { endedAt: row.ended_at.toISOString() }),
});

/** Each begins where the one before it was done. One that a report was lost of begins and ends with the next. */
function stepsOf(row: Row): DeploymentStep[] {
  const begins = [
    { step: "download", from: row.offered_at },
    ...(row.ahead ? [{ step: "window", from: row.downloaded_at } as const] : []),
    { step: "install", from: row.ahead && row.downloaded_at ? latest(row.go_at, row.downloaded_at) : row.downloaded_at },
    { step: "boot", from: row.rebooting_at },
  ] as const;
  const begun = begins.flatMap(({ step, from }) => (from === null ? [] : [{ step, from }]));
  return begun.map(({ step, from }, i) => {
    const to = begun[i + 1]?.from ?? row.verified_at ?? row.ended_at;
    return {
      ...{ step, from: from.toISOString() },
      ...(to === null ? {} : { to: to.toISOString() }),
      ...(to === null && row.in_flight && row.deadline_at ? { deadlineAt: row.deadline_at.toISOString() } : {}),
    };
  });
}

const latest = (one: Date | null, other: Date): Date | null => (one === null ? null : one > other ? one : other);

const harmed = sql.raw("not rollback and not retried and state in ('failed', 'rolled_back', 'unresponsive')");

export type DeploymentQuestion = {
  rollout: string;
  limit: number;
  after?: string | undefined;
  state?: string | undefined;
  harmed?: boolean | undefined;
};

/** By id, above `after`. */
export async function listDeployments(
  on: Queryable,
  scope: Scope,
  { rollout, limit, after, state, harmed: only }: DeploymentQuestion,
): Promise<Deployment[]> {
  const { rows } = await sql<Row>`
    select ${columns} from rollouts.deployment where fleet = ${scope.fleet} and rollout = ${rollout}
      and (${after ?? null}::text is null or id > ${after ?? null}) and (${state ?? null}::text is null or state = ${state ?? null})
      and (${only ?? null}::bool is null or (${harmed}) = ${only ?? null}) order by id limit ${limit}`.execute(on);
  return rows.map(deploymentOf);
}

/** The updates of one device, newest first. */
export async function deploymentsOfDevice(
  on: Queryable,
  scope: Scope,
  { device, limit }: { device: string; limit: number },
): Promise<Deployment[]> {
  const { rows } = await sql<Row>`
    select ${columns} from rollouts.deployment where fleet = ${scope.fleet} and device = ${device} order by id desc limit ${limit}`.execute(
    on,
  );
  return rows.map(deploymentOf);
}

/** A device's updates as entries of its timeline: when each was offered, and how it ended. */
export async function timelineOf(
  on: Queryable,
  scope: Scope,
  { device, limit }: { device: string; limit: number },
): Promise<TimelineEntry[]> {
  const entries = (await deploymentsOfDevice(on, scope, { device, limit })).flatMap((one) => {
    const what = one.rollback ? "Rollback to" : "Update to";
    const detail = { deployment: one.id, rollout: one.rollout, state: one.state, ...(one.reason ? { reason: one.reason } : {}) };
    const offered: TimelineEntry[] = one.offeredAt
      ? [{ at: one.offeredAt, kind: "deployment.offered", severity: "info", text: `${what} ${one.version} offered`, detail }]
      : [];
    if (!one.endedAt) return offered;
    const bad = one.state === "failed" || one.state === "rolled_back" || one.state === "unresponsive";
    const text = `${what} ${one.version} ${one.state.replaceAll("_", " ")}${one.detail ? `: ${one.detail}` : ""}`;
    return [
      ...offered,
      { at: one.endedAt, kind: `deployment.${one.state}`, severity: bad ? ("error" as const) : ("info" as const), text, detail },
    ];
  });
  return entries.toSorted((a, b) => (a.at < b.at ? 1 : -1)).slice(0, limit);
}

export type Harmed = {
  device: string;
  state: DeploymentState;
  reason?: string;
  detail?: string;
  returnedAt?: string;
  returnedWith?: "new" | "old";
};

/** Devices that a rollout left failed, silent, or fallen back by themselves. */
export async function harmedDevices(on: Queryable, scope: Scope, rollout: string): Promise<Harmed[]> {
  const { rows } = await sql<Row>`
    select ${columns} from rollouts.deployment where fleet = ${scope.fleet} and rollout = ${rollout} and ${harmed} order by place limit 1000`.execute(
    on,
  );
  return rows.map((row) => ({
    ...endingOf(row),
    ...(row.returned_at === null ? {} : { returnedAt: row.returned_at.toISOString() }),
    ...(row.returned_with === null ? {} : { returnedWith: row.returned_with }),
  }));
}

/** Devices whose way back did not end in a verified boot. Of several attempts, the last. */
export async function notRestored(
  on: Queryable,
  scope: Scope,
  rollout: string,
): Promise<Omit<Harmed, "returnedAt" | "returnedWith">[]> {
  const { rows } = await sql<Row>`
    select ${columns} from (
      select distinct on (device) * from rollouts.deployment where fleet = ${scope.fleet} and rollout = ${rollout} and rollback order by device, attempt desc) d
    where state not in ('succeeded', 'queued') and not in_flight and returned_with is distinct from 'new' order by device limit 1000`.execute(
    on,
  );
  return rows.map(endingOf);
}

const endingOf = ({ device, state, reason, detail }: Row) => ({
  device,
  state,
  ...(reason === null ? {} : { reason }),
  ...(detail === null ? {} : { detail }),
});

/** Why updates of a rollout did not end well, most frequent first. Devices that a halt spared did not fail, and are not counted. */
export async function reasonsOf(on: Queryable, scope: Scope, rollout: string): Promise<{ reason: string; devices: number }[]> {
  const { rows } = await sql<{ reason: string; devices: number }>`
    select reason, count(*) as devices from rollouts.deployment where fleet = ${scope.fleet} and rollout = ${rollout} and not rollback and not retried and reason is not null and state <> 'cancelled'
    group by reason order by devices desc, reason`.execute(on);
  return rows;
}

/** How many devices each rollout brought back, late returners included. */
export async function countRestored(on: Queryable, scope: Scope, rollouts: readonly string[]): Promise<Map<string, number>> {
  const { rows } = await sql<{ rollout: string; devices: number }>`
    select rollout, count(distinct device) as devices from rollouts.deployment
    where fleet = ${scope.fleet} and rollout = any(${rollouts}::text[]) and rollback and (state = 'succeeded' or returned_with = 'new') group by rollout`.execute(
    on,
  );
  return new Map(rows.map(({ rollout, devices }) => [rollout, devices]));
}

/** From the offer to the verified boot: the middle of the fleet's updates since `since` (ms); undefined where there were none. */
export async function usualDuration(on: Queryable, scope: Scope, since: number): Promise<number | undefined> {
  const { rows } = await sql<{ usual: number | null }>`
    select percentile_cont(0.5) within group (order by extract(epoch from verified_at - offered_at) * 1000) as usual from (
      select verified_at, offered_at from rollouts.deployment d join rollouts.rollout r on r.fleet = d.fleet and r.id = d.rollout
      where d.fleet = ${scope.fleet} and d.state = 'succeeded' and not d.rollback and r.created_at >= ${new Date(since)} and d.verified_at is not null limit 10000) recent`.execute(
    on,
  );
  const usual = rows[0]?.usual;
  return usual === null || usual === undefined ? undefined : Number(usual);
}

export type PatchFact = {
  release: string;
  version: string;
  /** When the release existed (T2 of docs/kpis: the fix is available). */
  availableAt: number;
  firstOfferedAt?: number;
  devices: { device: string; exposedFrom: number; patchedAt?: number; censoredAt?: number }[];
};

type PatchRow = {
  release: string;
  version: string;
  available_at: Date;
  first_offered_at: Date | null;
  device: string;
  verified_at: Date | null;
  halted_at: Date | null;
  restored: boolean;
};

/**
 * What rollouts did for the time to patch: every device that a rollout of the release meant, patched or not. A rollout that halted
 * withdraws its fix: nobody counts as patched by it who was brought back, and who was not patched is no longer waiting for it.
 * Takes the rollouts that were open at some time between `from` and `to`.
 */
export async function patchFacts(on: Queryable, scope: Scope, { from, to }: { from: number; to: number }): Promise<PatchFact[]> {
  const { rows } = await sql<PatchRow>`
    select r.release, r.release_version as version, s.created_at as available_at, min(d.offered_at) over (partition by r.release) as first_offered_at, d.device,
      case when d.release = r.release then d.verified_at end as verified_at, r.halted_at,
      exists (select from rollouts.deployment b where b.fleet = d.fleet and b.rollout = d.rollout and b.device = d.device and b.rollback and (b.state = 'succeeded' or b.returned_with = 'new')) as restored
    from rollouts.rollout r join rollouts.deployment d on d.fleet = r.fleet and d.rollout = r.id and not d.rollback
    join releases.published s on s.fleet = r.fleet and s.id = r.release
    where r.fleet = ${scope.fleet} and r.created_at < ${new Date(to)} and (r.ended_at is null or r.ended_at >= ${new Date(from)})
    order by r.release, d.device, r.created_at`.execute(on);
  return [...Map.groupBy(rows, ({ release }) => release)].flatMap(([release, of]) => {
    const [first] = of;
    if (!first) return [];
    const devices = [...Map.groupBy(of, ({ device }) => device).values()].map(patchOf);
    return [
      {
        release,
        version: first.version,
        availableAt: first.available_at.getTime(),
        ...(first.first_offered_at ? { firstOfferedAt: first.first_offered_at.getTime() } : {}),
        devices,
      },
    ];
  });
}

/** One device over all rollouts of one release: patched by whichever did it and was not taken back. */
function patchOf(rows: PatchRow[]): PatchFact["devices"][number] {
  const patched = rows.find((row) => row.verified_at !== null && !row.restored);
  const last = rows.at(-1);
  const [exposedFrom, patchedAt, censoredAt] = [
    rows[0]?.available_at.getTime() ?? 0,
    patched?.verified_at?.getTime(),
    last?.halted_at?.getTime(),
  ];
  const device = last?.device ?? "";
  if (patchedAt !== undefined) return { device, exposedFrom, patchedAt };
  return { device, exposedFrom, ...(censoredAt === undefined ? {} : { censoredAt }) };
}
