import type { Scope } from "@tenfold/base";
import type { DeviceEvent, DeviceLogs } from "@tenfold/contracts";
import type { Column, ColumnStore, Insert, Parameters } from "../kernel/index.ts";
import { eventTime, type TimeSource } from "./event-time.ts";
import type { UpMessage } from "./message.ts";
import { type PointColumns, pickRows } from "./point-columns.shell.ts";

/** Names an insert, and says whether it may have been applied before. */
type Applying = Pick<Insert, "token" | "again">;

/** A row and the message that it came from. */
export type EventRow = { message: UpMessage; event: DeviceEvent };
export type LogRow = { message: UpMessage; line: DeviceLogs["lines"][number]; place: number };

const sourceCode: Readonly<Record<TimeSource, number>> = { device: 0, received: 1 };

/** `rows`: places in the columns. */
export async function insertPoints(
  store: ColumnStore,
  { points, rows }: { points: PointColumns; rows: readonly number[] },
  applying: Applying,
): Promise<void> {
  await store.insert({ table: "tenfold.point", columns: pickRows(points, rows), ...applying });
}

export async function insertEvents(store: ColumnStore, rows: readonly EventRow[], applying: Applying): Promise<void> {
  const times = rows.map(({ message, event }) =>
    eventTime(event.at === undefined ? undefined : Date.parse(event.at), message.receivedAt),
  );
  const columns: Column[] = [
    { name: "fleet", type: "utf8", values: rows.map(({ message }) => message.scope.fleet) },
    { name: "device", type: "utf8", values: rows.map(({ message }) => message.device) },
    { name: "ts", type: "ms", values: Float64Array.from(times, ({ at }) => at) },
    { name: "type", type: "utf8", values: rows.map(({ event }) => event.type) },
    { name: "severity", type: "utf8", values: rows.map(({ event }) => event.severity) },
    { name: "detail", type: "utf8", values: rows.map(({ event }) => JSON.stringify(event.detail ?? {})) },
    { name: "time_source", type: "u8", values: Uint8Array.from(times, ({ timeSource }) => sourceCode[timeSource]) },
    {
      name: "delay_ms",
      type: "i64",
      values: BigInt64Array.from(rows, ({ message }, row) => BigInt(Math.round(message.receivedAt) - (times[row]?.at ?? 0))),
    },
  ];
  await store.insert({ table: "tenfold.device_event", columns, ...applying });
}

export const logTime = ({ line, message }: LogRow): number =>
  eventTime(line.at === undefined ? undefined : Date.parse(line.at), message.receivedAt).at;

export async function insertLogs(store: ColumnStore, rows: readonly LogRow[], applying: Applying): Promise<void> {
  const columns: Column[] = [
    { name: "fleet", type: "utf8", values: rows.map(({ message }) => message.scope.fleet) },
    { name: "device", type: "utf8", values: rows.map(({ message }) => message.device) },
    { name: "ts", type: "ms", values: Float64Array.from(rows, logTime) },
    { name: "received_at", type: "ms", values: Float64Array.from(rows, ({ message }) => Math.round(message.receivedAt)) },
    { name: "place", type: "u32", values: Uint32Array.from(rows, ({ place }) => place) },
    { name: "level", type: "utf8", values: rows.map(({ line }) => line.level) },
    { name: "text", type: "utf8", values: rows.map(({ line }) => line.text) },
  ];
  await store.insert({ table: "tenfold.device_log", columns, ...applying });
}

/** One series in [from, to), milliseconds. */
export type SeriesQuery = { device: string; metric: string; from: number; to: number };
export type StoredPoint = { at: number; v: number | string; receivedAt?: number };

const series =
  "fleet = {fleet:String} AND metric = {metric:String} AND device = {device:String} AND ts >= {from:DateTime64(3)} AND ts < {to:DateTime64(3)}";
const seriesParameters = ({ fleet }: Scope, { device, metric, from, to }: SeriesQuery) => ({ fleet, device, metric, from, to });
type RawPoint = { at: number; value: number | null; text: string; receivedAt: number };
const pointOf = ({ at, value, text, receivedAt }: RawPoint) => ({ at, v: value ?? text, receivedAt });

export type SeriesSize = { stored: number; texts: number; unit: string; first: number; last: number };

/** How much a series holds, and from when to when. */
export async function sizeOf(store: ColumnStore, scope: Scope, query: SeriesQuery): Promise<SeriesSize> {
  const [row] = await store.query<SeriesSize>(
    `SELECT count() AS stored, countIf(isNaN(value)) AS texts, argMax(unit, ts) AS unit, toUnixTimestamp64Milli(min(ts)) AS first, toUnixTimestamp64Milli(max(ts)) AS last FROM tenfold.point WHERE ${series}`,
    seriesParameters(scope, query),
  );
  return row ?? { stored: 0, texts: 0, unit: "", first: 0, last: 0 };
}

export async function allPoints(store: ColumnStore, scope: Scope, query: SeriesQuery): Promise<StoredPoint[]> {
  const rows = await store.query<RawPoint>(
    `SELECT toUnixTimestamp64Milli(ts) AS at, value, text, at + delay_ms AS receivedAt FROM tenfold.point WHERE ${series} ORDER BY at, receivedAt LIMIT 200000`,
    seriesParameters(scope, query),
  );
  return rows.map(pointOf);
}

/** A whole series of at most so many points, with the unit of the newest, in one question; undefined when it has more. */
export async function wholeSeries(
  store: ColumnStore,
  scope: Scope,
  { most, ...query }: SeriesQuery & { most: number },
): Promise<{ unit: string; points: StoredPoint[] } | undefined> {
  const rows = await store.query<RawPoint & { unit: string }>(
    `SELECT toUnixTimestamp64Milli(ts) AS at, value, text, at + delay_ms AS receivedAt, unit FROM tenfold.point WHERE ${series} ORDER BY at, receivedAt LIMIT {limit:Int64}`,
    { ...seriesParameters(scope, query), limit: most + 1 },
  );
  return rows.length > most ? undefined : { unit: rows.at(-1)?.unit ?? "", points: rows.map(pointOf) };
}

/** What a thinned series is drawn from: `(SELECT ms, value, text, delay_ms … ORDER BY ms)`, with its parameters and how many rows it gives. */
export type Drawing = { from: string; parameters: Parameters; rows: number };

export const rawDrawing = (scope: Scope, query: SeriesQuery, rows: number): Drawing => ({
  from: `(SELECT toUnixTimestamp64Milli(ts) AS ms, value, text, delay_ms FROM tenfold.point WHERE ${series} ORDER BY ms)`,
  parameters: seriesParameters(scope, query),
  rows,
});

/**
 * The extremes of `buckets` stretches that hold equally many points, so that a burst gets more of the chart than a silence: at most two
 * points each, and every peak is among them. Texts have no extremes: of them the first and the last of each stretch.
 */
export async function thinnedPoints(
  store: ColumnStore,
  { from, parameters, rows: n }: Drawing,
  { buckets, texts }: { buckets: number; texts: boolean },
): Promise<StoredPoint[]> {
  const pick = (way: "argMin" | "argMax") => `${way}(tuple(ms, value, text, delay_ms), ${texts ? "ms" : "value"})`;
  const rows = await store.query<{ a: [number, number | null, string, number]; b: [number, number | null, string, number] }>(
    `SELECT ${pick("argMin")} AS a, ${pick("argMax")} AS b
     FROM (SELECT *, rowNumberInAllBlocks() AS place FROM ${from}) GROUP BY intDiv(place * {buckets:Int64}, {n:Int64})`,
    { ...parameters, buckets, n: Math.max(1, n) },
  );
  const points = rows
    .flatMap(({ a, b }) => (a[0] === b[0] ? [a] : [a, b]))
    .map(([ms, value, text, delay]) => pointOf({ at: ms, value, text, receivedAt: ms + delay }));
  return points.sort((one, other) => one.at - other.at);
}

/** At most `wanted` points that keep the line's shape: Largest-Triangle-Three-Buckets (Steinarsson 2013), as the engine has it. Numbers only. */
export async function shapePoints(
  store: ColumnStore,
  { from, parameters }: Drawing,
  wanted: number,
): Promise<{ at: number; v: number }[]> {
  const [row] = await store.query<{ points: [number, number][] }>(
    // The engine wants this number as a bare literal.
    `SELECT largestTriangleThreeBuckets(${Math.max(2, Math.trunc(wanted))})(ms, value) AS points FROM ${from} WHERE NOT isNaN(value)`,
    parameters,
  );
  return (row?.points ?? []).map(([at, v]) => ({ at, v }));
}

export type MetricRow = { metric: string; unit: string; at: number; v: number | string; receivedAt: number; points: number };

/** Every metric that a device has sent, with its newest point. */
export async function metricsOf(store: ColumnStore, scope: Scope, device: string): Promise<MetricRow[]> {
  const rows = await store.query<{ metric: string; points: number; latest: [number, number | null, string, string, number] }>(
    `SELECT metric, count() AS points, argMax(tuple(toUnixTimestamp64Milli(ts), value, text, unit, delay_ms), ts) AS latest
     FROM tenfold.point WHERE fleet = {fleet:String} AND device = {device:String} GROUP BY metric ORDER BY metric LIMIT 10000`,
    { fleet: scope.fleet, device },
  );
  return rows.map(({ metric, points, latest: [at, value, text, unit, delay] }) => ({
    metric,
    unit,
    points,
    ...pointOf({ at, value, text, receivedAt: at + delay }),
  }));
}

export type LogLine = { at: number; level: string; text: string };

/** The newest lines, newest last. */
export async function newestLogs(
  store: ColumnStore,
  scope: Scope,
  { device, limit }: { device: string; limit: number },
): Promise<LogLine[]> {
  const rows = await store.query<LogLine>(
    `SELECT toUnixTimestamp64Milli(ts) AS at, level, text FROM tenfold.device_log WHERE fleet = {fleet:String} AND device = {device:String}
     ORDER BY ts DESC, received_at DESC, place DESC LIMIT {limit:Int64}`,
    { fleet: scope.fleet, device, limit },
  );
  return rows.reverse();
}

export type StoredEvent = {
  at: number;
  type: string;
  severity: DeviceEvent["severity"];
  detail: NonNullable<DeviceEvent["detail"]>;
  receivedAt: number;
};

/** The newest events, newest first. */
export async function newestEvents(
  store: ColumnStore,
  scope: Scope,
  { device, limit }: { device: string; limit: number },
): Promise<StoredEvent[]> {
  const rows = await store.query<Omit<StoredEvent, "detail"> & { detail: string }>(
    `SELECT toUnixTimestamp64Milli(ts) AS at, type, severity, detail, at + delay_ms AS receivedAt FROM tenfold.device_event
     WHERE fleet = {fleet:String} AND device = {device:String} ORDER BY ts DESC, receivedAt DESC LIMIT {limit:Int64}`,
    { fleet: scope.fleet, device, limit },
  );
  // We wrote `detail` ourselves, as a JSON object.
  return rows.map((row) => ({ ...row, detail: JSON.parse(row.detail) as StoredEvent["detail"] }));
}
