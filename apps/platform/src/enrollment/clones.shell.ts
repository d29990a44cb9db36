import { describeError, newId, type Scope } from "@tenfold/base";
import type { Actor, Lifecycle, TimelineEntry } from "@tenfold/contracts";
import { sql } from "kysely";
import { type ClonePolicy, type CloneSign, cloneSentence, watchBoots, watchConnections } from "./clones.ts";
import type { EnrollmentDeps } from "./deps.ts";

type Detail = Record<string, string | number>;
type Suspicion = { readonly device: string; readonly sign: CloneSign; readonly detail: Detail };

export type CloneWatch = {
  /** Records the evidence first; then quarantines where the policy says so. */
  suspect(scope: Scope, suspicion: Suspicion): Promise<void>;
  observeBoots(heard: readonly { scope: Scope; device: string; bootId: string; at: number }[]): Promise<void>;
  timeline(scope: Scope, device: string, limit: number): Promise<TimelineEntry[]>;
  /** Watches what connections do, in one process of all, until the function that it returns is called. */
  watch(): () => void;
};

export type CloneDeps = Pick<EnrollmentDeps, "db" | "bus" | "clock" | "log"> & {
  registry: {
    find(id: string): Promise<{ scope: Scope; lifecycle: Lifecycle } | undefined>;
    setLifecycle(scope: Scope, id: string, change: { to: Lifecycle; reason: string; actor: Actor }): Promise<unknown>;
  };
  policy: ClonePolicy;
};

const watcher: Actor = { kind: "system", id: "enrollment", name: "enrollment" };

/** Watches for one identity in two places: at renewals, among connections, and among heartbeats. */
export function createCloneWatch({ db, bus, clock, log, registry, policy }: CloneDeps): CloneWatch {
  const [connections, boots] = [watchConnections(), watchBoots()];

  async function suspect(scope: Scope, { device, sign, detail }: Suspicion): Promise<void> {
    const now = clock.now();
    const wanted = (sign === "generation_fork" ? policy.onFork : policy.onSign) === "quarantine";
    const found = await registry.find(device);
    const quarantine = wanted && (found?.lifecycle === "active" || found?.lifecycle === "suspended");
    await sql`
      insert into identity.clone_evidence (id, fleet, device, at, kind, action, detail)
      values (${newId("cln", now)}, ${scope.fleet}, ${device}, ${new Date(now)}, ${sign}, ${quarantine ? "quarantined" : "noted"},
        ${JSON.stringify(detail)}::jsonb)`.execute(db);
    log.warn("identity.in_two_places", { device, sign, action: quarantine ? "quarantined" : "noted" });
    if (quarantine) await registry.setLifecycle(scope, device, { to: "quarantined", reason: cloneSentence(sign), actor: watcher });
  }

  const watch = () =>
    bus.subscribe(({ type, subject, data }) => {
      if (type !== "device.disconnected" || data.because !== "taken_over") return;
      if (!connections.takenOver(subject, clock.now())) return;
      void suspect(
        { fleet: String(data.fleet) },
        { device: subject, sign: "two_connections", detail: { swaps: 3, withinS: 60 } },
      ).catch((error: unknown) => log.error("identity.evidence_lost", { device: subject, because: describeError(error) }));
    });
  return {
    suspect,
    async observeBoots(heard) {
      for (const { scope, device, bootId, at } of heard)
        if (boots.heard(device, bootId, at)) await suspect(scope, { device, sign: "two_boots", detail: { bootId } });
    },
    async timeline(scope, device, limit) {
      const { rows } = await sql<{ at: Date; kind: CloneSign; action: string; detail: Detail }>`
        select at, kind, action, detail from identity.clone_evidence where fleet = ${scope.fleet} and device = ${device}
        order by id desc limit ${limit}`.execute(db);
      return rows.map(({ at, kind, action, detail }) => ({
        at: at.toISOString(),
        kind: `identity.${kind}`,
        severity: kind === "generation_fork" ? "critical" : "warning",
        text: cloneSentence(kind),
        detail: { ...detail, action },
      }));
    },
    watch,
  };
}
