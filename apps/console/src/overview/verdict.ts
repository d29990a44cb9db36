import type { Alert, Rollout } from "@tenfold/contracts";
import { count, counted } from "../format.ts";

/** Is the fleet all right? One sentence, from what the API answered. */
export type Verdict = { sentence: string; tone: "ok" | "warn" | "bad" };

type Picture = {
  summary: { total: number; connectivity: Readonly<Record<string, number>>; lifecycle: Readonly<Record<string, number>> };
  rollouts: readonly Rollout[];
  alerts: readonly Alert[];
};

export function fleetVerdict({ summary, rollouts, alerts }: Picture): Verdict {
  const online = summary.connectivity.online ?? 0;
  const firing = alerts.filter((alert) => alert.state === "firing");
  const clauses = [
    `${count(online)} of ${counted(summary.total, "device")} online`,
    ...rolloutClauses(rollouts),
    alertClause(firing),
  ];
  return { sentence: `${clauses.join("; ")}.`, tone: toneOf({ online, total: summary.total, firing, rollouts }) };
}

function rolloutClauses(rollouts: readonly Rollout[]): string[] {
  const stopped = rollouts.filter(isStopped);
  const byCanary = stopped.filter((rollout) => rollout.stages[0]?.state === "halted").length;
  const later = stopped.length - byCanary;
  const running = rollouts.filter((rollout) => rollout.phase === "running").length;
  const paused = rollouts.filter((rollout) => rollout.phase === "paused").length;
  return [
    ...(byCanary > 0 ? [`${counted(byCanary, "rollout")} halted by ${byCanary === 1 ? "its" : "their"} canary`] : []),
    ...(later > 0 ? [`${counted(later, "rollout")} halted in a later stage`] : []),
    ...(running > 0 ? [`${counted(running, "rollout")} running`] : []),
    ...(paused > 0 ? [`${counted(paused, "rollout")} paused`] : []),
  ];
}

/** A stop is news until a newer rollout was started after it. */
function isStopped(rollout: Rollout, place: number): boolean {
  return place === 0 && ["halted", "rolling_back", "rolled_back"].includes(rollout.phase);
}

function alertClause(firing: readonly Alert[]): string {
  if (firing.length === 0) return "no alerts";
  const open = firing.filter((alert) => alert.acknowledgedAt === undefined).length;
  return open === firing.length
    ? counted(open, "alert")
    : `${counted(firing.length, "alert")}, ${open === 0 ? "all" : count(firing.length - open)} acknowledged`;
}

function toneOf({
  online,
  total,
  firing,
  rollouts,
}: {
  online: number;
  total: number;
  firing: readonly Alert[];
  rollouts: readonly Rollout[];
}): Verdict["tone"] {
  if (rollouts.some(isStopped) || firing.some((alert) => alert.severity === "page")) return "bad";
  return firing.length > 0 || online < total ? "warn" : "ok";
}
