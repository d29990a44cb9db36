import type { Rollout, RolloutDecision } from "@tenfold/contracts";
import { type Approval, planHashOf, validApprovals } from "./approvals.ts";
import type { Block } from "./conditions.ts";
import type { StoredDecision } from "./decisions.shell.ts";
import { isHarmed } from "./rollout.ts";
import type { StoredRollout } from "./store.ts";
import type { Count, StoredStage } from "./tallies.shell.ts";

type Shown = {
  stages: readonly StoredStage[];
  counts: readonly Count[];
  restored: number;
  approvals: readonly Approval[];
  blocked: Block | undefined;
  awaitingWindow: number;
};

/** A rollout as the API shows it. */
export function rolloutView(
  rollout: StoredRollout,
  { stages, counts, restored, approvals, blocked, awaitingWindow }: Shown,
): Rollout {
  const updates = counts.filter((count) => !count.rollback);
  const { id, release, plan, phase, because, since, targets, createdBy, createdAt, endedAt, freezeOverride } = rollout;
  const planHash = planHashOf(plan, release.sha256);
  return {
    id,
    release: { id: release.id, name: release.name, version: release.version },
    plan,
    phase,
    because,
    since: iso(since),
    targets,
    stages: stages.map(({ index, share, devices, state, startedAt, passedAt }) => ({
      index,
      share,
      devices,
      state,
      counts: byState(updates.filter((count) => count.stage === index)),
      ...(startedAt === undefined ? {} : { startedAt: iso(startedAt) }),
      ...(passedAt === undefined ? {} : { passedAt: iso(passedAt) }),
    })),
    counts: byState(updates),
    harmed: updates.filter(({ state }) => isHarmed(state)).reduce((sum, { devices }) => sum + devices, 0),
    restored,
    createdBy,
    createdAt: iso(createdAt),
    planHash,
    approvals: {
      needed: rollout.approvalsNeeded,
      given: validApprovals(approvals, { planHash, author: rollout.author }).map(({ name, at, comment }) => ({
        by: name,
        at: iso(at),
        ...(comment === undefined ? {} : { comment }),
      })),
    },
    ...(awaitingWindow === 0 ? {} : { awaitingWindow }),
    ...(blocked === undefined ? {} : { blocked: blockView(blocked) }),
    ...(freezeOverride === undefined ? {} : { freezeOverride }),
    ...(endedAt === undefined ? {} : { endedAt: iso(endedAt) }),
  };
}

export const blockView = ({ until, ...block }: Block): NonNullable<Rollout["blocked"]> => ({
  ...block,
  ...(until === undefined ? {} : { until: iso(until) }),
});

export const decisionView = ({ at, ...decision }: StoredDecision): RolloutDecision => ({ ...decision, at: iso(at) });

function byState(counts: readonly Count[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { state, devices } of counts) sum[state] = (sum[state] ?? 0) + devices;
  return sum;
}

const iso = (at: number): string => new Date(at).toISOString();
