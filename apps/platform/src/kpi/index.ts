/** The numbers for executives, each with its exact definition (docs/kpis.md) and an honest denominator. */
import { type Scope, seconds } from "@tenfold/base";
import { type KpiName, type Kpi as KpiNumber, kpiOperations } from "@tenfold/contracts";
import { type Clock, type Database, type Http, serve } from "../kernel/index.ts";
import { definitions } from "./definitions.ts";
import { judgeLag, type LagFacts } from "./lag.ts";
import { judgePatching, observe, type PatchFact } from "./patching.ts";
import { bucketsOf, type Period, periodOf } from "./period.ts";
import { readFirstContact, readUptime } from "./store.ts";
import { judgeUptime, ratio } from "./uptime.ts";

export type { LagFacts } from "./lag.ts";
export type { PatchFact } from "./patching.ts";

export type KpiDeps = {
  db: Database;
  rollouts: { patchFacts(scope: Scope, period: Period): Promise<readonly PatchFact[]> };
  /** `telemetry.lagBetween`, ms. */
  lag: (scope: Scope, from: number, to: number) => Promise<LagFacts>;
  clock: Clock;
};

export type Asked = { from?: number; to?: number };

export type Kpi = {
  /** Every KPI over a period (ms); without one the last 30 days, or as long as there was anything to count. */
  list(scope: Scope, asked: Asked): Promise<KpiNumber[]>;
  one(scope: Scope, name: KpiName, asked: Asked): Promise<KpiNumber>;
  routes(app: Http): void;
};

type Measured = Pick<KpiNumber, "value" | "n" | "of" | "beside" | "trend">;

// The console asks every few seconds, and a fleet of 50,000 costs about a second to add up.
const keptFor = seconds(5);

export function createKpi({ db, rollouts, lag, clock }: KpiDeps): Kpi {
  const measure: Record<KpiName, (scope: Scope, period: Period) => Promise<Measured>> = {
    async uptime(scope, period) {
      const parts = bucketsOf(period);
      const facts = await readUptime(db, scope, { period, parts, target: definitions.uptime.target });
      const values = facts.trend.map(({ reachableS, expectedS }) => ratio(reachableS, expectedS));
      return { ...judgeUptime(facts), trend: trendOf(parts, values) };
    },
    async mttp(scope, period) {
      const parts = bucketsOf(period);
      const facts = await rollouts.patchFacts(scope, period);
      // Each point is what was known at its time.
      const values = parts.map(({ to }) => judgePatching(observe(facts, to)).value);
      return { ...judgePatching(observe(facts, period.to)), trend: trendOf(parts, values) };
    },
    async data_lag(scope, period) {
      const parts = bucketsOf(period);
      const facts = await lag(scope, period.from, period.to);
      const values = await Promise.all(parts.map(async (part) => (await lag(scope, part.from, part.to)).p95 ?? null));
      return { ...judgeLag(facts), trend: trendOf(parts, values) };
    },
  };

  const one: Kpi["one"] = async (scope, name, asked) => {
    const now = clock.now();
    const period = periodOf({ ...asked, now, since: await readFirstContact(db, scope) });
    return numberOf(name, { period, now, measured: await measure[name](scope, period) });
  };
  const usual = keep(clock, (scope, name) => one(scope, name, {}));
  const ask: Kpi["one"] = (scope, name, asked) =>
    asked.from === undefined && asked.to === undefined ? usual(scope, name) : one(scope, name, asked);
  const list: Kpi["list"] = (scope, asked) => Promise.all(names.map((name) => ask(scope, name, asked)));

  return {
    list,
    one: ask,
    routes(app) {
      serve(app, kpiOperations.listKpis, async ({ scope, query: { from, to } }) => ({
        items: await list(scope, {
          ...(from !== undefined && { from: Date.parse(from) }),
          ...(to !== undefined && { to: Date.parse(to) }),
        }),
      }));
      serve(app, kpiOperations.explainKpi, async ({ scope, params: { name } }) => {
        const { definition, numerator, denominator, exclusions, source } = definitions[name];
        return { name, definition, numerator, denominator, exclusions, source, kpi: await ask(scope, name, {}) };
      });
    },
  };
}

const names = ["uptime", "mttp", "data_lag"] as const satisfies KpiName[];

const trendOf = (parts: readonly Period[], values: readonly (number | null)[]): KpiNumber["trend"] =>
  parts.map(({ to }, i) => ({ at: new Date(to).toISOString(), v: values[i] ?? null }));

function numberOf(name: KpiName, { period, now, measured }: { period: Period; now: number; measured: Measured }): KpiNumber {
  const { title, unit, better, target } = definitions[name];
  const { value } = measured;
  const ok = value === null ? null : better === "higher" ? value >= target : value <= target;
  const iso = (at: number) => new Date(at).toISOString();
  return { name, title, unit, better, target, ok, from: iso(period.from), to: iso(period.to), asOf: iso(now), ...measured };
}

/** Keeps answers for a few seconds, and lets those who ask meanwhile wait for the same one. A failure is not kept. */
function keep(
  clock: Clock,
  ask: (scope: Scope, name: KpiName) => Promise<KpiNumber>,
): (scope: Scope, name: KpiName) => Promise<KpiNumber> {
  const kept = new Map<string, { at: number; answer: Promise<KpiNumber> }>();
  return (scope, name) => {
    const key = `${scope.fleet} ${name}`;
    const found = kept.get(key);
    if (found !== undefined && clock.now() - found.at < keptFor) return found.answer;
    const answer = ask(scope, name);
    kept.set(key, { at: clock.now(), answer });
    answer.catch(() => kept.delete(key));
    return answer;
  };
}
