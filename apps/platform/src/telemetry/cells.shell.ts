import type { Scope } from "@tenfold/base";
import type { ColumnStore } from "../kernel/index.ts";
import { cellOfPoints } from "./cell-columns.ts";
import { type CellSize, cellMs, type Resolution } from "./rollup.ts";
import type { Drawing, SeriesQuery } from "./store.ts";

const tableOf: Readonly<Record<CellSize, string>> = { "1m": "tenfold.point_minute", "1h": "tenfold.point_hour" };
const startOf: Readonly<Record<CellSize, string>> = { "1m": "toStartOfMinute", "1h": "toStartOfHour" };

/**
 * Cells of one metric: the computed ones up to `edge`, and from there on computed now from the points, so that a query never sees less than
 * what is stored. `which` narrows the devices; it uses the parameters fleet, metric, from, to, edge and its own.
 */
const cellsOf = (size: CellSize, which: string): string => `(
  SELECT device, ts AS cell, n, total, low, high, last, unit FROM ${tableOf[size]} FINAL
  WHERE fleet = {fleet:String} AND metric = {metric:String} ${which}
    AND ts >= {from:DateTime64(3)} AND ts < {to:DateTime64(3)} AND ts < {edge:DateTime64(3)}
  UNION ALL
  SELECT device, toDateTime64(${startOf[size]}(p.ts), 3, 'UTC') AS cell, ${cellOfPoints}
  FROM tenfold.point AS p
  WHERE fleet = {fleet:String} AND metric = {metric:String} ${which}
    AND p.ts >= {from:DateTime64(3)} AND p.ts < {to:DateTime64(3)} AND p.ts >= {edge:DateTime64(3)} AND NOT isNaN(p.value)
  GROUP BY device, cell)`;

export type CellQuery = SeriesQuery & { size: CellSize; edge: number };
const oneDevice = "AND device = {device:String}";
const parametersOf = (scope: Scope, { device, metric, from, to, edge }: CellQuery) => ({
  fleet: scope.fleet,
  device,
  metric,
  from,
  to,
  edge,
});

export type CellsSize = { n: number; whole: number; extremes: number; unit: string; first: number; last: number };

/** How many numbers the cells of a series count: all, and those in cells that lie wholly in the range that was `asked` for. */
export async function sizeOfCells(
  store: ColumnStore,
  scope: Scope,
  { asked, ...query }: CellQuery & { asked: { from: number; to: number } },
): Promise<CellsSize> {
  const [row] = await store.query<CellsSize>(
    `SELECT sum(c.n) AS n, sum(if(c.low = c.high, 1, 2)) AS extremes, max(c.unit) AS unit, toUnixTimestamp64Milli(min(cell)) AS first, toUnixTimestamp64Milli(max(tupleElement(c.last, 1))) AS last,
       sumIf(c.n, toUnixTimestamp64Milli(cell) >= {askedFrom:Int64} AND toUnixTimestamp64Milli(cell) + {width:Int64} <= {askedTo:Int64}) AS whole
     FROM ${cellsOf(query.size, oneDevice)} AS c`,
    { ...parametersOf(scope, query), askedFrom: asked.from, askedTo: asked.to, width: cellMs[query.size] },
  );
  return row ?? { n: 0, whole: 0, extremes: 0, unit: "", first: 0, last: 0 };
}

/** The lowest and the highest of each cell, when they were measured: `rows` in all. */
export const cellDrawing = (scope: Scope, query: CellQuery, rows: number): Drawing => ({
  from: `(SELECT toUnixTimestamp64Milli(tupleElement(extreme, 2)) AS ms, tupleElement(extreme, 1) AS value, '' AS text, 0 AS delay_ms
    FROM ${cellsOf(query.size, oneDevice)} ARRAY JOIN arrayDistinct([low, high]) AS extreme ORDER BY ms)`,
  parameters: parametersOf(scope, query),
  rows,
});

export type FleetQuery = {
  metric: string;
  devices: readonly string[] | "all";
  from: number;
  to: number;
  buckets: number;
  aggregate: "avg" | "min" | "max" | "sum" | "count";
};

export type Bucket = { bucket: number; v: number | null; devices: number };

const overPoints = { avg: "avg(value)", min: "min(value)", max: "max(value)", sum: "sum(value)", count: "count()" } as const;
const overCells = {
  avg: "sum(total) / sum(n)",
  min: "min(tupleElement(low, 1))",
  max: "max(tupleElement(high, 1))",
  sum: "sum(total)",
  count: "sum(n)",
} as const;

/** One number a bucket over many devices; buckets without a point are missing. With cells, `from` and `to` must be borders of cells. */
export async function bucketsOf(
  store: ColumnStore,
  scope: Scope,
  { devices, aggregate, resolution, edge, ...query }: FleetQuery & { resolution: Resolution; edge: number },
): Promise<Bucket[]> {
  const chosen = devices === "all" ? "" : "AND device IN ({devices:Array(String)})";
  const parameters = {
    fleet: scope.fleet,
    ...query,
    start: query.from,
    span: query.to - query.from,
    ...(devices === "all" ? {} : { devices }),
  };
  const bucketOf = (time: string) =>
    `intDiv((toUnixTimestamp64Milli(${time}) - {start:Int64}) * {buckets:Int64}, {span:Int64}) AS bucket`;
  if (resolution === "raw")
    return store.query(
      `SELECT ${bucketOf("ts")}, ${overPoints[aggregate]} AS v, uniqExact(device) AS devices
       FROM tenfold.point
       WHERE fleet = {fleet:String} AND metric = {metric:String} AND ts >= {from:DateTime64(3)} AND ts < {to:DateTime64(3)} AND NOT isNaN(value) ${chosen}
       GROUP BY bucket ORDER BY bucket`,
      parameters,
    );
  return store.query(
    `SELECT ${bucketOf("cell")}, ${overCells[aggregate]} AS v, uniqExact(device) AS devices
     FROM ${cellsOf(resolution, chosen)} GROUP BY bucket ORDER BY bucket`,
    { ...parameters, edge },
  );
}
