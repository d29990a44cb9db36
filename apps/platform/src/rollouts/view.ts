import type { Rollout, RolloutDecision } from "@tenfold/contracts";
import { isHarmed } from "./rollout.ts";
import type { Count, StoredDecision, StoredRollout, StoredStage } from "./store.ts";

/** A rollout as the API shows it. */
export function rolloutView(
  rollout: StoredRollout,
  { stages, counts, restored }: { stages: readonly StoredStage[]; counts: readonly Count[]; restored: number },
): Rollout {
  const updates = counts.filter((count) => !count.rollback);
  const { id, release, plan, phase, because, since, targets, createdBy, createdAt, endedAt } = rollout;
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
    ...(endedAt === undefined ? {} : { endedAt: iso(endedAt) }),
  };
}

export const decisionView = ({ at, ...decision }: StoredDecision): RolloutDecision => ({ ...decision, at: iso(at) });

function byState(counts: readonly Count[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { state, devices } of counts) sum[state] = (sum[state] ?? 0) + devices;
  return sum;
}

const iso = (at: number): string => new Date(at).toISOString();
