import { minutes, type Scope } from "@tenfold/base";
import { sql } from "kysely";
import { type Database, type Log, type Loop, startLoop } from "../kernel/index.ts";
import { addSketch, addValue, countOf, quantile, type Sketch } from "./sketch.ts";

/** One message that became visible. Times are milliseconds since 1970. */
export type Seen = { fleet: string; happenedAt: number; receivedAt: number; visibleAt: number };

type Percentiles = { n: number; p50: number | undefined; p95: number | undefined; p99: number | undefined };

/** Milliseconds from happening to being visible in a query; `platform` counts from receiving. Percentiles are undefined without messages. */
export type LagReport = Percentiles & {
  platform: Percentiles;
  perMinute: (Percentiles & { minute: number; platform: Percentiles })[];
};

export type Lag = {
  record(seen: Iterable<Seen>): void;
  /** Of the messages that became visible in [from, to), to the minute. */
  lagBetween(scope: Scope, from: number, to: number): Promise<LagReport>;
  /** Writes down what is only in memory. */
  flush(): Promise<void>;
  stop(): Promise<void>;
};

type Minute = { fleet: string; minute: number; lag: Sketch; platform: Sketch };

/** Keeps the lag of the running minute in memory and adds it to PostgreSQL every few seconds; a crash forgets those seconds, no more. */
export function startLag({ db, log, everyMs = 5_000 }: { db: Database; log: Log; everyMs?: number }): Lag {
  const open = new Map<string, Minute>();

  const flush = async () => {
    const taken = [...open.values()];
    open.clear();
    try {
      await addMinutes(db, taken);
    } catch (error) {
      for (const minute of taken) addMinute(minuteOf(open, minute), minute);
      throw error;
    }
  };
  const loop: Loop = startLoop({ name: "telemetry.lag", everyMs, run: flush, log });

  return {
    record(seen) {
      let current: Minute | undefined;
      for (const { fleet, happenedAt, receivedAt, visibleAt } of seen) {
        const minute = Math.floor(visibleAt / minutes(1)) * minutes(1);
        if (current?.minute !== minute || current.fleet !== fleet) current = minuteOf(open, { fleet, minute });
        addValue(current.lag, visibleAt - happenedAt);
        addValue(current.platform, visibleAt - receivedAt);
      }
    },
    async lagBetween(scope, from, to) {
      const stored = await readMinutes(db, scope, { from, to });
      const fresh = [...open.values()].filter(
        (minute) => minute.fleet === scope.fleet && minute.minute >= from && minute.minute < to,
      );
      return reportOf([...stored, ...fresh]);
    },
    flush,
    async stop() {
      await loop.stop();
      await flush();
    },
  };
}

function minuteOf(open: Map<string, Minute>, { fleet, minute }: { fleet: string; minute: number }): Minute {
  const key = `${minute} ${fleet}`;
  const found = open.get(key) ?? { fleet, minute, lag: {}, platform: {} };
  open.set(key, found);
  return found;
}

function addMinute(minute: Minute, other: Minute): void {
  addSketch(minute.lag, other.lag);
  addSketch(minute.platform, other.platform);
}

async function addMinutes(db: Database, taken: readonly Minute[]): Promise<void> {
  if (taken.length === 0) return;
  const rows = taken.map(({ fleet, minute, lag, platform }) => ({
    fleet,
    minute: new Date(minute).toISOString(),
    n: countOf(lag),
    lag,
    platform,
  }));
  await sql`
    insert into telemetry.lag_minute as old (fleet, minute, n, lag, platform_lag)
    select fleet, minute, n, lag, platform
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as fresh(fleet text, minute timestamptz, n bigint, lag jsonb, platform jsonb)
    on conflict (fleet, minute) do update set
      n = old.n + excluded.n,
      lag = telemetry.add_buckets(old.lag, excluded.lag),
      platform_lag = telemetry.add_buckets(old.platform_lag, excluded.platform_lag)`.execute(db);
}

async function readMinutes(db: Database, scope: Scope, { from, to }: { from: number; to: number }): Promise<Minute[]> {
  const { rows } = await sql<{ minute: Date; lag: Sketch; platform: Sketch }>`
    select minute, lag, platform_lag as platform from telemetry.lag_minute
    where fleet = ${scope.fleet} and minute >= ${new Date(Math.floor(from / minutes(1)) * minutes(1))} and minute < ${new Date(to)}
    order by minute`.execute(db);
  return rows.map((row) => ({ ...row, fleet: scope.fleet, minute: row.minute.getTime() }));
}

function reportOf(parts: readonly Minute[]): LagReport {
  const byMinute = new Map<string, Minute>();
  const [all, ours]: [Sketch, Sketch] = [{}, {}];
  for (const part of parts) {
    const minute = minuteOf(byMinute, part);
    addMinute(minute, part);
    addSketch(all, part.lag);
    addSketch(ours, part.platform);
  }
  const perMinute = [...byMinute.values()]
    .sort((a, b) => a.minute - b.minute)
    .map(({ minute, lag, platform }) => ({ minute, ...percentiles(lag), platform: percentiles(platform) }));
  return { ...percentiles(all), platform: percentiles(ours), perMinute };
}

const percentiles = (sketch: Sketch): Percentiles => ({
  n: countOf(sketch),
  p50: quantile(sketch, 0.5),
  p95: quantile(sketch, 0.95),
  p99: quantile(sketch, 0.99),
});
