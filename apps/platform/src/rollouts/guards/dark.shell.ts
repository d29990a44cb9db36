import type { Scope } from "@tenfold/base";
import type { RolloutsDeps } from "../deps.ts";
import type { StoredRollout } from "../store.ts";
import { type Bystander, darknessAround } from "./darkness.ts";
import { bystandingDevices, overdueDevices } from "./holds.shell.ts";
import { strataOf } from "./matching.ts";

const batch = 200;
const mostBystanders = 2_000;

/** The overdue devices around which others are silent too; with the reason. */
export async function lookForDarkness(
  { db, registry, clock }: RolloutsDeps,
  scope: Scope,
  { id, plan, stage }: StoredRollout,
): Promise<Map<string, string>> {
  const overdue = await overdueDevices(db, scope, { rollout: id, at: clock.now(), limit: batch });
  if (overdue.length === 0) return new Map();
  const others = await bystandingDevices(db, scope, { rollout: id, stage, limit: mostBystanders });
  const pictures = await registry.pictures(scope, [...overdue.map(({ device }) => device), ...others.untouched, ...others.settled]);
  const byId = new Map(pictures.map((one) => [one.id, { ...one, strata: strataOf(one, plan.guards.matchBy) }]));
  const bystanders = { untouched: seen(others.untouched), settled: seen(others.settled) };

  function seen(devices: readonly string[]): Bystander[] {
    return devices.flatMap((device) => {
      const { strata, connectivity } = byId.get(device) ?? {};
      if (strata === undefined) return [];
      return [{ strata, ...(connectivity?.is === "offline" ? { silentSince: connectivity.since ?? 0 } : {}) }];
    });
  }
  return new Map(
    overdue.flatMap(({ device, offeredAt }) => {
      const one = byId.get(device);
      // It may have been offered after the outage had begun and before its lease was over.
      const since = Math.min(offeredAt, one?.lastContactAt ?? offeredAt);
      const because = darknessAround(one?.strata ?? [], bystanders, since);
      return because === undefined ? [] : [[device, because] as const];
    }),
  );
}
