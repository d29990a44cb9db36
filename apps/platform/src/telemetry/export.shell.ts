import type { Scope } from "@tenfold/base";
import { timestamp } from "@tenfold/contracts";
import { z } from "zod";
import type { Audit } from "../access/index.ts";
import { type ColumnStore, type Database, type FileForm, guarded, type Http } from "../kernel/index.ts";
import { telemetryProblems } from "./errors.ts";

export type ExportDeps = {
  db: Database;
  store: ColumnStore;
  audit: Audit;
  select(scope: Scope, filter: string): Promise<readonly string[]>;
};

const exportQuery = z.strictObject({
  filter: z.string().max(1_000).default(""),
  metric: z.string().min(1).max(200).optional(),
  from: timestamp,
  to: timestamp,
  format: z.enum(["csv", "parquet"]).default("csv"),
});
type ExportQuery = z.output<typeof exportQuery>;

const mostDevices = 20_000;
const typeOf: Readonly<Record<FileForm, string>> = { csv: "text/csv; charset=utf-8", parquet: "application/vnd.apache.parquet" };

/**
 * `GET /api/v1/telemetry/export`: the points of many devices as one file, sorted by metric, device and time. Its size costs no memory: the
 * engine writes it piece by piece, in the order in which it lies. One at a time; who asks meanwhile is told to come again.
 */
export function exportRoute(app: Http, deps: ExportDeps): void {
  let busy = false;
  const options = { ...guarded("telemetry.read"), schema: { querystring: exportQuery } };
  app.get("/api/v1/telemetry/export", options, async (request, reply) => {
    const { identity } = request;
    // `guarded` lets nobody in without an identity.
    if (identity === undefined) throw new Error("An export without an identity.");
    // Fastify has validated it with this very schema.
    const query = request.query as ExportQuery;
    if (busy)
      throw telemetryProblems.export_busy("Another export is being written.", { fix: "Try again in a minute.", retryAfterS: 60 });
    busy = true;
    try {
      const file = await writeExport(deps, identity, query);
      const name = `telemetry-${query.from.slice(0, 10)}-${query.to.slice(0, 10)}.${query.format}`;
      return await reply
        .headers({ "content-type": typeOf[query.format], "content-disposition": `attachment; filename="${name}"` })
        .send(file);
    } finally {
      busy = false;
    }
  });
}

async function writeExport(
  { db, store, audit, select }: ExportDeps,
  { scope, actor }: { scope: Scope; actor: Parameters<Audit>[2]["actor"] },
  query: ExportQuery,
) {
  const [from, to] = [Date.parse(query.from), Date.parse(query.to)];
  if (from >= to)
    throw telemetryProblems.time_range_invalid("The range ends before it begins.", {
      field: "from",
      fix: "Give a `from` before `to`.",
    });
  const devices = query.filter.trim() === "" ? undefined : await select(scope, query.filter);
  if (devices !== undefined && devices.length > mostDevices)
    throw telemetryProblems.too_many_devices(
      `The filter selects ${devices.length} devices; an export takes at most ${mostDevices}, or all.`,
      {
        field: "filter",
        fix: "Narrow the filter, or leave it empty for the whole fleet.",
      },
    );
  // Who took data out is written down before it goes out.
  await db.transaction().execute((tx) =>
    audit(tx, scope, {
      actor,
      action: "telemetry.exported",
      subject: { kind: "fleet", id: scope.fleet },
      detail: { ...query, devices: devices?.length ?? "all" },
    }),
  );
  const time = (column: string) => (query.format === "csv" ? `concat(replaceOne(toString(${column}), ' ', 'T'), 'Z')` : column);
  return store.download(
    `SELECT device, metric, ${time("ts")} AS at, if(isNaN(value), NULL, value) AS value, text, toString(unit) AS unit, ${time("fromUnixTimestamp64Milli(toUnixTimestamp64Milli(ts) + delay_ms, 'UTC')")} AS received_at
     FROM tenfold.point
     WHERE fleet = {fleet:String} AND ts >= {from:DateTime64(3)} AND ts < {to:DateTime64(3)}
       ${query.metric === undefined ? "" : "AND metric = {metric:String}"} ${devices === undefined ? "" : "AND device IN ({devices:Array(String)})"}
     ORDER BY fleet, point.metric, point.device, point.ts`,
    {
      fleet: scope.fleet,
      from,
      to,
      ...(query.metric === undefined ? {} : { metric: query.metric }),
      ...(devices === undefined ? {} : { devices }),
    },
    query.format,
  );
}
