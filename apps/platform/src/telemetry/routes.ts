import type { Scope } from "@tenfold/base";
import { api, type Point } from "@tenfold/contracts";
import { type ColumnStore, type Http, serve } from "../kernel/index.ts";
import { telemetryProblems } from "./errors.ts";
import { allPoints, bucketsOf, metricsOf, newestLogs, type SeriesQuery, type StoredPoint, sizeOf, thinnedPoints } from "./store.ts";

export type TelemetryRoutes = {
  store: ColumnStore;
  /** The ids of the devices that a filter selects. */
  select(scope: Scope, filter: string): Promise<readonly string[]>;
};

/** The operations of contracts/src/api/telemetry.ts. */
export function telemetryRoutes(app: Http, { store, select }: TelemetryRoutes): void {
  serve(app, api.getDeviceTelemetry, ({ params, query, scope }) =>
    deviceSeries(store, scope, { device: params.id, metric: query.metric, ...rangeOf(query), points: query.points }),
  );

  serve(app, api.listDeviceMetrics, async ({ params, scope }) => {
    const rows = await metricsOf(store, scope, params.id);
    return {
      items: rows.map(({ metric, unit, points, ...latest }) => ({ metric, ...unitOf(unit), latest: pointOf(latest), points })),
    };
  });

  serve(app, api.getDeviceLogs, async ({ params, query, scope }) => {
    const lines = await newestLogs(store, scope, { device: params.id, limit: query.limit });
    return { items: lines.map(({ at, level, text }) => ({ at: timestampOf(at), level, text })) };
  });

  serve(app, api.queryTelemetry, async ({ body, scope }) => {
    const { from, to } = rangeOf(body);
    const devices = body.filter.trim() === "" ? "all" : await select(scope, body.filter);
    if (devices !== "all" && devices.length > mostDevices)
      throw telemetryProblems.too_many_devices(
        `The filter selects ${devices.length} devices; a chart takes at most ${mostDevices}.`,
        { field: "filter", fix: "Narrow the filter, or leave it empty for the whole fleet." },
      );
    const rows =
      devices.length === 0
        ? []
        : await bucketsOf(store, scope, {
            metric: body.metric,
            devices,
            from,
            to,
            buckets: body.buckets,
            aggregate: body.aggregate,
          });
    const known = new Map(rows.map((row) => [row.bucket, row]));
    const width = (to - from) / body.buckets;
    return {
      items: Array.from({ length: body.buckets }, (_, bucket) => ({
        at: timestampOf(from + Math.ceil(bucket * width)),
        v: known.get(bucket)?.v ?? null,
        devices: known.get(bucket)?.devices ?? 0,
      })),
    };
  });
}

const mostDevices = 20_000;
const distantFuture = Date.UTC(2200, 0);

function rangeOf({ from, to }: { from?: string | undefined; to?: string | undefined }): { from: number; to: number } {
  const range = { from: from === undefined ? 0 : Date.parse(from), to: to === undefined ? distantFuture : Date.parse(to) };
  if (range.from >= range.to)
    throw telemetryProblems.time_range_invalid("The range ends before it begins.", {
      field: "from",
      fix: "Give a `from` before `to`.",
    });
  return range;
}

/** Every stored point where they fit, else their extremes. */
export async function deviceSeries(
  store: ColumnStore,
  scope: Scope,
  { points: wanted, ...query }: SeriesQuery & { points: number },
) {
  const { stored, texts, unit, first, last } = await sizeOf(store, scope, query);
  const fits = stored <= wanted;
  const points =
    stored === 0
      ? []
      : fits
        ? await allPoints(store, scope, query)
        : await thinnedPoints(store, scope, {
            ...query,
            from: first,
            to: last + 1,
            buckets: Math.floor(wanted / 2),
            texts: texts > 0,
          });
  return {
    device: query.device,
    metric: query.metric,
    ...unitOf(unit),
    sampling: fits ? ("all" as const) : ("minmax" as const),
    stored,
    points: points.map(pointOf),
  };
}

const unitOf = (unit: string): { unit?: string } => (unit === "" ? {} : { unit });
const timestampOf = (at: number): string => new Date(at).toISOString();
const pointOf = ({ at, v, receivedAt }: StoredPoint): Point => ({ at: timestampOf(at), v, receivedAt: timestampOf(receivedAt) });
