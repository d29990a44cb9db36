import type { Rollout } from "@tenfold/contracts";
import { facts } from "../../output.ts";

export const phasesThatEnd: readonly Rollout["phase"][] = ["halted", "rolled_back", "completed", "cancelled"];

export function describeRollout(rollout: Rollout): string[] {
  return [
    ...facts({
      rollout: rollout.id,
      release: `${rollout.release.name} ${rollout.release.version}`,
      phase: `${rollout.phase}: ${rollout.because}`,
      targets: rollout.targets,
      approvals:
        rollout.approvals.needed > 0
          ? `${rollout.approvals.given.length} of ${rollout.approvals.needed}${rollout.approvals.given.map(({ by }) => `, ${by}`).join("")}; plan ${rollout.planHash.slice(0, 12)}`
          : undefined,
      waits: rollout.blocked && `${rollout.blocked.because}${rollout.blocked.until ? ` Until ${rollout.blocked.until}.` : ""}`,
      ready: rollout.awaitingWindow && `${rollout.awaitingWindow} devices have it ready and wait for their window`,
      harmed: rollout.harmed || undefined,
      restored: rollout.restored || undefined,
    }),
    ...rollout.stages.map(
      (stage) =>
        `  stage ${stage.index + 1} (${Math.round(stage.share * 100)} %, ${stage.devices} devices) ${stage.state.padEnd(8)} ${countsLine(stage.counts)}`,
    ),
  ];
}

export const countsLine = (counts: Record<string, number>): string =>
  Object.entries(counts)
    .filter(([, n]) => n > 0)
    .map(([state, n]) => `${n} ${state}`)
    .join(", ");
