import { z } from "zod";
import { timestamp } from "./common.ts";
import { deviceId } from "./devices.ts";
import { operation } from "./operation.ts";
import { retentionOperations } from "./retention.ts";

export * from "./retention.ts";

/** `v` is a number, or a text for text metrics. `receivedAt` is the server's time; missing where the point was read from a cell. */
export const point = z.object({ at: timestamp, v: z.union([z.number(), z.string()]), receivedAt: timestamp.optional() });
export type Point = z.infer<typeof point>;

export const series = z.object({
  device: z.string(),
  metric: z.string(),
  unit: z.string().optional(),
  /** `all` where every stored point is shown; else thinned to at most `points`: `minmax` keeps all extremes, `lttb` the line's shape. */
  sampling: z.enum(["all", "minmax", "lttb"]),
  /** What was read: the points themselves, or the lowest and highest of each minute or hour, at the moment when they were measured. */
  resolution: z.enum(["raw", "1m", "1h"]),
  /** How many points were stored in this range; with cells, in the whole cells of this range. */
  stored: z.int(),
  points: z.array(point),
});
export type Series = z.infer<typeof series>;

export const telemetryOperations = {
  ...retentionOperations,
  getDeviceTelemetry: operation({
    name: "getDeviceTelemetry",
    method: "GET",
    path: "/devices/:id/telemetry",
    summary: "The points of one metric of one device, oldest first.",
    permission: "telemetry.read",
    params: z.object({ id: deviceId }),
    query: z.object({
      metric: z.string().min(1).max(200),
      from: timestamp.optional(),
      to: timestamp.optional(),
      points: z.coerce.number().int().min(2).max(100_000).default(1_000),
      sampling: z.enum(["minmax", "lttb"]).default("minmax"),
    }),
    response: series,
  }),
  listDeviceMetrics: operation({
    name: "listDeviceMetrics",
    method: "GET",
    path: "/devices/:id/metrics",
    summary: "The metrics that a device has sent, with their latest values.",
    permission: "telemetry.read",
    params: z.object({ id: deviceId }),
    response: z.object({
      items: z.array(z.object({ metric: z.string(), unit: z.string().optional(), latest: point, points: z.int() })),
    }),
  }),
  getDeviceLogs: operation({
    name: "getDeviceLogs",
    method: "GET",
    path: "/devices/:id/logs",
    summary: "The newest log lines of a device, newest last.",
    permission: "telemetry.read",
    params: z.object({ id: deviceId }),
    query: z.object({ limit: z.coerce.number().int().min(1).max(1_000).default(200) }),
    response: z.object({ items: z.array(z.object({ at: timestamp, level: z.string(), text: z.string() })) }),
  }),
  queryTelemetry: operation({
    name: "queryTelemetry",
    method: "POST",
    path: "/telemetry/query",
    summary: "One metric over many devices, in equal time buckets.",
    permission: "telemetry.read",
    body: z.strictObject({
      metric: z.string().min(1).max(200),
      filter: z.string().max(1_000).default(""),
      from: timestamp,
      to: timestamp,
      buckets: z.int().min(1).max(2_000).default(100),
      aggregate: z.enum(["avg", "min", "max", "sum", "count"]).default("avg"),
    }),
    response: z.object({
      /** What was read. Where it is cells, the range and the buckets' borders are rounded to whole cells. */
      resolution: z.enum(["raw", "1m", "1h"]),
      items: z.array(z.object({ at: timestamp, v: z.number().nullable(), devices: z.int() })),
    }),
  }),
};
