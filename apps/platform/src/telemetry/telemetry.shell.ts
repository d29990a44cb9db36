import type { Scope } from "@tenfold/base";
import type { DeviceEvent, DeviceLogs } from "@tenfold/contracts";
import type { Audit } from "../access/index.ts";
import { applyIsolating, type Bus, type Clock, type ColumnStore, type Database, type Log } from "../kernel/index.ts";
import { createAnnouncer } from "./announce.ts";
import { createBudget } from "./budget.shell.ts";
import { createTelemetryDecoder, decodeEvent, decodeLogs } from "./decode.ts";
import { eventTime } from "./event-time.ts";
import type { Applying, DeadLetter, Intake, Item, RefusalNote } from "./intake.shell.ts";
import { type Lag, type Seen, startLag } from "./lag.shell.ts";
import { type LatestPoint, rememberLatest } from "./latest.ts";
import { piecesOf } from "./pieces.ts";
import { listOf, newestOf, type Points } from "./point.ts";
import { columnsOf } from "./point-columns.shell.ts";
import { type RetentionDeps, startRetention } from "./retention.shell.ts";
import { readKept } from "./retention-store.shell.ts";
import { createRollUps, type RollUps } from "./rollup.shell.ts";
import { duesOf } from "./rollup.ts";
import type { SeriesDeps } from "./series.shell.ts";
import {
  type EventRow,
  insertEvents,
  insertLogs,
  insertPoints,
  type LogRow,
  logTime,
  metricsOf,
  newestEvents,
  type StoredEvent,
} from "./store.ts";

export type TelemetryDeps = {
  store: ColumnStore;
  db: Database;
  bus: Bus;
  clock: Clock;
  log: Log;
  intake: Pick<Intake, "consume">;
  putAside(letter: DeadLetter): Promise<void>;
  /** `access.audit`: written in the same transaction as the change. */
  audit: Audit;
  /** Tells of metrics that are not stored, because their device has sent too many different ones. */
  onRefused(note: RefusalNote): void;
  /** How many different metrics a device may have. */
  metricBudget?: number;
  /** Where the newest values are asked for: `store` where another process may have heard newer ones; `memory` unless told otherwise. */
  latestFrom?: "memory" | "store";
  lagFlushMs?: number;
};

export type Telemetry = {
  /** Milliseconds until messages were visible; for the KPI. */
  lagBetween: Lag["lagBetween"];
  /** The newest value of each metric of a device: from memory, or from the store when it has been silent. */
  latest(scope: Scope, device: string): Promise<ReadonlyMap<string, LatestPoint>>;
  /** The newest events of a device, newest first. */
  deviceEvents(scope: Scope, device: string, limit: number): Promise<StoredEvent[]>;
  /** What series and buckets are read from. */
  readonly series: SeriesDeps;
  /** What policies, holds and deletions work on. */
  readonly retention: RetentionDeps;
  /** Computes the cells that are due now, instead of within half a minute; `all` takes the hours that still run too. */
  rollUp: RollUps["rollUp"];
  readonly store: ColumnStore;
  readonly clock: Clock;
  /** Begins what one process does for all: roll-ups and retention. Returns the function that ends it. */
  lead(): () => Promise<void>;
  /** Writes down what is only in memory. Stop the intake first. */
  stop(): Promise<void>;
};

/** Puts measurements, events and log lines into the column store. Registers its consumers; the intake is started by the caller. */
export function createTelemetry(deps: TelemetryDeps): Telemetry {
  const { store, db, bus, clock, log, intake, putAside, audit, onRefused, metricBudget = 500, lagFlushMs } = deps;
  const { latestFrom = "memory" } = deps;
  const lag = startLag({ db, log, ...(lagFlushMs === undefined ? {} : { everyMs: lagFlushMs }) });
  const rollUps = createRollUps({ db, store, clock, log });
  const series: SeriesDeps = { store, rolledUntil: rollUps.rolledUntil, kept: (scope) => readKept(db, scope) };
  const retention: RetentionDeps = { db, store, clock, log, audit, rollUps };
  const budget = createBudget({ db, clock, limit: metricBudget, onRefused });
  const latest = rememberLatest({ devices: 20_000, metrics: 200 });
  const announcer = createAnnouncer({ everyMs: 1_000, most: 5 });

  const inPieces = async <Row extends { message: Item<unknown>["message"] }>(
    rows: readonly Row[],
    {
      token,
      again,
      consumer,
      timeOf,
      insert,
    }: Applying & {
      consumer: string;
      timeOf: (row: Row) => number;
      insert: (store: ColumnStore, rows: readonly Row[], applying: Applying) => Promise<void>;
    },
  ) => {
    for (const { rows: part, suffix } of piecesOf(rows, timeOf)) {
      await applyIsolating({
        items: part,
        token: `${token}/${suffix}`,
        apply: (some, someToken) => insert(store, some, { token: someToken, again }),
        putAside: ({ message }, failure) => putAside({ message, consumer, ...failure }),
      });
    }
  };

  intake.consume<Points>("telemetry", {
    name: "points",
    decode: createTelemetryDecoder(),
    async apply(arrived, applying) {
      const batch = await budget.admit(arrived);
      const dues = duesOf(touches(batch), clock.now());
      await rollUps.storing(dues, () => storePoints(batch, applying));
      const visibleAt = clock.now();
      lag.record(sightings(batch, visibleAt));
      for (const { message, value } of batch) latest.note({ fleet: message.scope.fleet, device: message.device }, value);
      announcePoints(batch);
    },
  });

  const storePoints = async (batch: readonly Item<Points>[], { token, again }: Applying) => {
    const points = columnsOf(batch);
    const all: number[] = [];
    for (let row = 0; row < points.rows; row++) all.push(row);
    for (const { rows, suffix } of piecesOf(all, (row) => points.ts[row] ?? Number.NaN))
      await applyIsolating({
        items: rows,
        token: `${token}/${suffix}`,
        apply: (some, someToken) => insertPoints(store, { points, rows: some }, { token: someToken, again }),
        putAside: async (row, failure) => {
          const item = batch[points.item[row] ?? 0];
          if (item) await putAside({ message: item.message, consumer: "points", ...failure });
        },
      });
  };

  const announcePoints = (batch: readonly Item<Points>[]) => {
    for (const device of announcer.choose(devicesOf(batch), clock.now())) {
      const newest = batch.findLast(({ message }) => message.device === device);
      const metrics = (newest ? listOf(newest.value) : [])
        .slice(-50)
        .map(({ metric, v, at }) => [metric, { v, at: new Date(at).toISOString() }] as const);
      bus.publish({ type: "telemetry.stored", subject: device, data: { metrics: Object.fromEntries(metrics) } });
    }
  };

  intake.consume<DeviceEvent>("events", {
    name: "events",
    decode: decodeEvent,
    async apply(batch, applying) {
      const rows: EventRow[] = batch.map(({ message, value }) => ({ message, event: value }));
      const timeOf = ({ event, message }: EventRow) =>
        eventTime(event.at === undefined ? undefined : Date.parse(event.at), message.receivedAt).at;
      await inPieces(rows, { ...applying, consumer: "events", timeOf, insert: insertEvents });
      for (const row of rows.slice(-20))
        bus.publish({
          type: "device.event",
          subject: row.message.device,
          data: { type: row.event.type, severity: row.event.severity, at: new Date(timeOf(row)).toISOString() },
        });
    },
  });

  intake.consume<DeviceLogs>("logs", {
    name: "logs",
    decode: decodeLogs,
    async apply(batch, applying) {
      const rows: LogRow[] = batch.flatMap(({ message, value }) => value.lines.map((line, place) => ({ message, line, place })));
      await inPieces(rows, { ...applying, consumer: "logs", timeOf: logTime, insert: insertLogs });
    },
  });

  return {
    store,
    clock,
    series,
    retention,
    rollUp: rollUps.rollUp,
    lagBetween: lag.lagBetween,
    async latest(scope, device) {
      const remembered = latestFrom === "memory" ? latest.of({ fleet: scope.fleet, device }) : undefined;
      if (remembered !== undefined) return remembered;
      const rows = await metricsOf(store, scope, device);
      return new Map(rows.map(({ metric, v, unit, at }) => [metric, { v, unit, at }]));
    },
    deviceEvents: (scope, device, limit) => newestEvents(store, scope, { device, limit }),
    lead() {
      rollUps.start();
      const retaining = startRetention(retention);
      return () => retaining.stop().then(() => rollUps.stop());
    },
    stop: async () => void (await Promise.all([lag.stop(), rollUps.stop()])),
  };
}

function* touches(batch: readonly Item<Points>[]): Generator<{ device: string; at: Points["at"] }> {
  for (const { message, value } of batch) yield { device: message.device, at: value.at };
}

function* sightings(batch: readonly Item<Points>[], visibleAt: number): Generator<Seen> {
  for (const { message, value } of batch)
    yield { fleet: message.scope.fleet, happenedAt: newestOf(value), receivedAt: message.receivedAt, visibleAt };
}

function* devicesOf(batch: readonly Item<unknown>[]): Generator<string> {
  for (const { message } of batch) yield message.device;
}
