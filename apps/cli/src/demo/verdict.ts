import type { Kpi, Rollout } from "@tenfold/contracts";

/** What the demo saw, from the platform's own API. */
export type DemoFacts = {
  devices: number;
  enrolled: number;
  messages: number;
  good: Rollout;
  bad: Rollout;
  harmedListed: string[];
  firingAlertKinds: string[];
  auditIntact: boolean;
  kpis: readonly Kpi[];
  seconds: number;
};

export type KeptPromise = { promise: string; kept: boolean; found: string };

/** At most so many devices may suffer from a release that bricks one in five (issue 2). */
export const mostHarmed = 15;

/** Each promise of the demo, and whether it was kept. */
export function judgeDemo(facts: DemoFacts): KeptPromise[] {
  const { devices, good, bad } = facts;
  const updated = good.counts.succeeded ?? 0;
  return [
    {
      promise: "every device enrolled with a certificate of its own",
      kept: facts.enrolled === devices,
      found: `${facts.enrolled} of ${devices}`,
    },
    {
      promise: "the good release reached every device, each by a verified boot",
      kept: good.phase === "completed" && updated === devices,
      found: `${updated} of ${devices}, ${good.phase}`,
    },
    {
      promise: "the bad release was halted in its canary",
      kept: (bad.phase === "rolled_back" || bad.phase === "halted") && bad.stages[0]?.state === "halted",
      found: `${bad.phase}: ${bad.because}`,
    },
    {
      promise: `at most ${mostHarmed} devices were harmed, and they are listed`,
      kept: bad.harmed > 0 && bad.harmed <= mostHarmed && facts.harmedListed.length === bad.harmed,
      found: `${bad.harmed} harmed, ${facts.harmedListed.length} listed`,
    },
    {
      promise: "devices that had taken it are back on the good release",
      kept: bad.phase === "rolled_back",
      found: `${bad.restored} restored, ${bad.harmed} harmed`,
    },
    {
      promise: "somebody was told",
      kept: facts.firingAlertKinds.includes("rollout_halted"),
      found: facts.firingAlertKinds.join(", ") || "no alert",
    },
    { promise: "the audit trail is intact", kept: facts.auditIntact, found: facts.auditIntact ? "intact" : "broken" },
    {
      promise: "uptime, mean time to patch and data lag have values",
      kept: facts.kpis.length >= 3 && facts.kpis.every(({ value }) => value !== null),
      found: facts.kpis.map(({ name, value }) => `${name} ${value}`).join(", "),
    },
  ];
}

/** The one line for programs. */
export function summarizeDemo(facts: DemoFacts, promises: readonly KeptPromise[]) {
  const lag = facts.kpis.find(({ name }) => name === "data_lag");
  const p95 = lag?.beside.find(({ label }) => label.includes("p95"))?.value ?? lag?.value ?? null;
  return {
    devices: facts.devices,
    enrolled: facts.enrolled,
    messages: facts.messages,
    dataLagP95Ms: p95 === null ? null : Math.round(p95),
    harmed: facts.bad.harmed,
    rolledBack: facts.bad.restored,
    seconds: Math.round(facts.seconds * 10) / 10,
    harmedDevices: facts.harmedListed,
    ok: promises.every(({ kept }) => kept),
  };
}
