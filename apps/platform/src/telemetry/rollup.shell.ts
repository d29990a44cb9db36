import { hours } from "@tenfold/base";
import { sql } from "kysely";
import { type Clock, type ColumnStore, type Database, type Log, type Loop, startLoop } from "../kernel/index.ts";
import { cellOfCells, cellOfPoints } from "./cell-columns.ts";
import { closedAfterMs, type Due, everyDevice, type MetricSize, type Slice, slicesOf } from "./rollup.ts";

export type RollUps = {
  /** Stores points and sees to it that their cells follow, whatever happens in between: noted before, because a crash may follow, and again
   * after, because the cells may have been computed meanwhile. */
  storing(dues: readonly Due[], insert: () => Promise<void>): Promise<void>;
  /** Every point before this moment is counted in its cells; for one device, or for all. Milliseconds since 1970. */
  rolledUntil(device?: string): Promise<number>;
  /** Computes what is due and closed. `all` takes the running hours too. Resolves to how many hours were computed. */
  rollUp(which?: "closed" | "all"): Promise<number>;
  /** Computes what is due every half minute, until `stop`. */
  start(): void;
  stop(): Promise<void>;
};

type RollUpDeps = { db: Database; store: ColumnStore; clock: Clock; log: Log; everyMs?: number };

const distantFuture = Date.UTC(2200, 0);
const mostAtOnce = 1_000;

/**
 * Keeps the cells of a minute and an hour. They are a function of the stored points: computing an hour again changes nothing unless more
 * points have come, so that a replay, a crash or two servers at once cannot count twice.
 */
export function createRollUps({ db, store, clock, log, everyMs = 30_000 }: RollUpDeps): RollUps {
  let stopping = false;
  let running: Promise<number> = Promise.resolve(0);

  const rollDue = async (which: "closed" | "all"): Promise<number> => {
    const before = which === "all" ? distantFuture : clock.now() - hours(1) - closedAfterMs;
    const dues = await readDues(db, before);
    const whole = dues.filter(({ device }) => device === everyDevice);
    for (const due of whole) {
      await computeCells(store, { from: due.hour, to: due.hour + hours(1) });
      await forget(db, [due]);
    }
    // Late devices together: computing an hour that is not due changes nothing, reading the store once for each would.
    const late = dues.filter(({ device }) => device !== everyDevice);
    if (late.length > 0) {
      const times = late.map(({ hour }) => hour);
      const devices = [...new Set(late.map(({ device }) => device))];
      await computeCells(store, { from: Math.min(...times), to: Math.max(...times) + hours(1), devices });
      await forget(db, late);
    }
    return dues.length;
  };
  const rollAllDue = async (which: "closed" | "all"): Promise<number> => {
    for (let sum = 0; ; ) {
      const done = await rollDue(which);
      sum += done;
      if (done < mostAtOnce || stopping) return sum;
    }
  };
  /** One at a time, because two would do the same work twice. */
  const rollUp = (which: "closed" | "all" = "closed"): Promise<number> => {
    const mine = running.then(() => rollAllDue(which));
    running = mine.catch(() => 0);
    return mine;
  };
  let loop: Loop | undefined;

  return {
    async storing(dues, insert) {
      await note(db, dues);
      await insert();
      await note(db, dues);
    },
    async rolledUntil(device) {
      const { rows } = await sql<{ hour: Date | null }>`select min(hour) as hour from telemetry.rollup_due
        where ${device === undefined ? sql`true` : sql`device in (${everyDevice}, ${device})`}`.execute(db);
      return rows[0]?.hour?.getTime() ?? distantFuture;
    },
    rollUp,
    start() {
      stopping = false;
      loop ??= startLoop({ name: "telemetry.rollup", everyMs, run: async () => void (await rollUp()), log });
    },
    async stop() {
      stopping = true;
      await loop?.stop();
      loop = undefined;
      await running;
    },
  };
}

async function note(db: Database, dues: readonly Due[]): Promise<void> {
  if (dues.length === 0) return;
  // In one order, so that two servers never wait for each other in a circle.
  const sorted = dues.toSorted((a, b) => a.hour - b.hour || (a.device < b.device ? -1 : 1));
  await sql`insert into telemetry.rollup_due as old (hour, device)
    select * from unnest(${sorted.map(({ hour }) => new Date(hour).toISOString())}::timestamptz[], ${sorted.map(({ device }) => device)}::text[])
    on conflict (hour, device) do update set generation = old.generation + 1`.execute(db);
}

type NotedDue = Due & { generation: number };

async function readDues(db: Database, before: number): Promise<NotedDue[]> {
  const { rows } = await sql<{ hour: Date; device: string; generation: number }>`
    select hour, device, generation from telemetry.rollup_due where hour <= ${new Date(before)} order by hour, device limit ${mostAtOnce}`.execute(
    db,
  );
  return rows.map((row) => ({ ...row, hour: row.hour.getTime() }));
}

/** Only what has not been noted again since it was read. */
async function forget(db: Database, dues: readonly NotedDue[]): Promise<void> {
  await sql`delete from telemetry.rollup_due as due
    using unnest(${dues.map(({ hour }) => new Date(hour).toISOString())}::timestamptz[], ${dues.map(({ device }) => device)}::text[],
      ${dues.map(({ generation }) => generation)}::bigint[]) as done(hour, device, generation)
    where due.hour = done.hour and due.device = done.device and due.generation = done.generation`.execute(db);
}

/** Points that one statement may group: some 150 MB of the engine's memory, whatever the size of the fleet. */
const pointsAtOnce = 500_000;

type CellRange = { from: number; to: number; devices?: readonly string[] };

export async function computeCells(store: ColumnStore, range: CellRange): Promise<void> {
  for (const slice of slicesOf(await sizesIn(store, range), pointsAtOnce)) await computeSlice(store, range, slice);
}

const chosenOf = ({ devices }: CellRange): string => (devices === undefined ? "" : "AND device IN ({devices:Array(String)})");

async function sizesIn(store: ColumnStore, range: CellRange): Promise<MetricSize[]> {
  return store.query<MetricSize>(
    `SELECT fleet, metric, count() AS points FROM tenfold.point
     WHERE ts >= {from:DateTime64(3)} AND ts < {to:DateTime64(3)} ${chosenOf(range)} GROUP BY fleet, metric ORDER BY fleet, metric`,
    range,
  );
}

async function computeSlice(store: ColumnStore, range: CellRange, { fleet, metrics, part, parts }: Slice): Promise<void> {
  const share = parts === 1 ? "" : `AND cityHash64(device) % ${parts} = ${part}`;
  const within = `fleet = {fleet:String} AND metric IN ({metrics:Array(String)}) ${chosenOf(range)} ${share}`;
  const parameters = { ...range, fleet, metrics };
  await store.command(
    `INSERT INTO tenfold.point_minute (fleet, metric, device, ts, n, total, low, high, last, unit)
     SELECT fleet, metric, device, toDateTime64(toStartOfMinute(p.ts), 3, 'UTC') AS cell, ${cellOfPoints}
     FROM tenfold.point AS p
     WHERE p.ts >= {from:DateTime64(3)} AND p.ts < {to:DateTime64(3)} AND NOT isNaN(p.value) AND ${within}
     GROUP BY fleet, metric, device, cell ${inOrder}`,
    parameters,
  );
  await store.command(
    `INSERT INTO tenfold.point_hour (fleet, metric, device, ts, n, total, low, high, last, unit)
     SELECT fleet, metric, device, toDateTime64(toStartOfHour(c.ts), 3, 'UTC') AS cell, ${cellOfCells}
     FROM tenfold.point_minute AS c FINAL
     WHERE c.ts >= {from:DateTime64(3)} AND c.ts < {to:DateTime64(3)} AND ${within}
     GROUP BY fleet, metric, device, cell ${inOrder}`,
    parameters,
  );
}

/**
 * Cells are made in the order in which points are stored. No two rows of one statement are the same cell, so that looking for versions of it among them is
 * left to the merges.
 */
const inOrder = "SETTINGS optimize_aggregation_in_order = 1, optimize_on_insert = 0";
