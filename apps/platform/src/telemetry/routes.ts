import type { Scope } from "@tenfold/base";
import { api, type Point } from "@tenfold/contracts";
import { type ColumnStore, type Http, serve } from "../kernel/index.ts";
import { telemetryProblems } from "./errors.ts";
import { exportRoute } from "./export.shell.ts";
import { retentionRoutes } from "./retention-routes.shell.ts";
import { readFleet, readSeries, type SeriesDeps, type Wish } from "./series.shell.ts";
import { metricsOf, newestLogs, type StoredPoint } from "./store.ts";
import type { Telemetry } from "./telemetry.shell.ts";

export type TelemetryRoutes = {
  store: ColumnStore;
  telemetry: Pick<Telemetry, "series" | "retention">;
  /** The ids of the devices that a filter selects. */
  select(scope: Scope, filter: string): Promise<readonly string[]>;
};

/** The operations of contracts/src/api/telemetry.ts. */
export function telemetryRoutes(app: Http, { store, telemetry, select }: TelemetryRoutes): void {
  const { series } = telemetry;
  retentionRoutes(app, telemetry.retention);
  exportRoute(app, { ...telemetry.retention, select });
  serve(app, api.getDeviceTelemetry, ({ params, query, scope }) =>
    deviceSeries(series, scope, {
      device: params.id,
      metric: query.metric,
      ...rangeOf(query),
      points: query.points,
      sampling: query.sampling,
    }),
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
    const devices = body.filter.trim() === "" ? ("all" as const) : await select(scope, body.filter);
    if (devices !== "all" && devices.length > mostDevices)
      throw telemetryProblems.too_many_devices(
        `The filter selects ${devices.length} devices; a chart takes at most ${mostDevices}.`,
        { field: "filter", fix: "Narrow the filter, or leave it empty for the whole fleet." },
      );
    const wish = { metric: body.metric, devices, from, to, buckets: body.buckets, aggregate: body.aggregate };
    const answer =
      devices.length === 0 ? { from, to, resolution: "raw" as const, buckets: [] } : await readFleet(series, scope, wish);
    const known = new Map(answer.buckets.map((row) => [row.bucket, row]));
    const width = (answer.to - answer.from) / body.buckets;
    return {
      resolution: answer.resolution,
      items: Array.from({ length: body.buckets }, (_, bucket) => ({
        at: timestampOf(answer.from + Math.ceil(bucket * width)),
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

/** One series, as an operator asks for it. */
export async function deviceSeries(series: SeriesDeps, scope: Scope, wish: Wish) {
  const { unit, points, ...rest } = await readSeries(series, scope, wish);
  return { device: wish.device, metric: wish.metric, ...unitOf(unit), ...rest, points: points.map(pointOf) };
}

const unitOf = (unit: string): { unit?: string } => (unit === "" ? {} : { unit });
const timestampOf = (at: number): string => new Date(at).toISOString();
const pointOf = ({ at, v, receivedAt }: StoredPoint): Point => ({
  at: timestampOf(at),
  v,
  ...(receivedAt === undefined ? {} : { receivedAt: timestampOf(receivedAt) }),
});
