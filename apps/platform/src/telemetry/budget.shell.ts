import { sql } from "kysely";
import type { Clock, Database } from "../kernel/index.ts";
import { DeviceMap, type FleetDevice } from "./device-map.ts";
import type { Refusal } from "./errors.ts";
import type { Item, RefusalNote } from "./intake.shell.ts";
import { type Points, type Shape, shown, sourceAt, timeAt } from "./point.ts";

export type Budget = {
  /**
   * The batch without the points of metrics that are beyond their device's budget. Which metrics a device has is written down before its
   * points are stored, so that a replay admits what was admitted before. Messages keep their place, with the points that are left.
   */
  admit(batch: readonly Item<Points>[]): Promise<Item<Points>[]>;
};

export type BudgetDeps = { db: Database; clock: Clock; limit: number; onRefused(note: RefusalNote): void };
type Device = FleetDevice;

const devicesRemembered = 20_000;
const because: Refusal = "metric_budget_exceeded";

/** One device that makes up metrics without end must not fill the store for all: it keeps the first `limit` that it sent. */
export function createBudget({ db, clock, limit, onRefused }: BudgetDeps): Budget {
  const remembered = new DeviceMap<Known>();
  const deviceOf = ({ message }: Item<unknown>): Device => ({ fleet: message.scope.fleet, device: message.device });

  /** Who does not speak in this batch makes room for so many others. */
  const makeRoom = (wanted: number, batch: readonly Item<unknown>[]) => {
    if (remembered.size + wanted <= devicesRemembered) return;
    const speaking = new DeviceMap<true>();
    for (const item of batch) speaking.set(deviceOf(item), true);
    const silent = [...remembered.keys()].filter((device) => !speaking.get(device));
    for (const device of silent.slice(0, remembered.size + wanted - devicesRemembered)) remembered.delete(device);
  };

  /** Reads what metrics devices have that are not remembered. */
  const learn = async (devices: readonly Device[], batch: readonly Item<unknown>[]) => {
    const unknown = new DeviceMap<true>();
    for (const device of devices) if (!remembered.get(device)) unknown.set(device, true);
    if (unknown.size === 0) return;
    const found = await readMetrics(db, [...unknown.keys()]);
    makeRoom(unknown.size, batch);
    for (const device of unknown.keys()) remembered.set(device, { metrics: new Set(), shape: undefined });
    for (const { metric, ...device } of found) remembered.get(device)?.metrics.add(metric);
  };

  /** The items whose metrics are not all known to be within the budget: in the usual batch none. */
  const doubtful = (batch: readonly Item<Points>[]): Item<Points>[] =>
    batch.filter((item) => {
      const known = remembered.get(deviceOf(item));
      return known === undefined || !isWithin(known, item.value.shape);
    });

  const enterDevice = (device: Device, { metrics }: Shape): (Device & { metric: string })[] => {
    const known = remembered.get(device)?.metrics ?? new Set<string>();
    const entered: (Device & { metric: string })[] = [];
    for (const metric of metrics) {
      if (known.has(metric) || known.size >= limit) continue;
      known.add(metric);
      entered.push({ ...device, metric });
    }
    return entered;
  };

  const enter = async (batch: readonly Item<Points>[]) => {
    const entered = batch.flatMap((item) => enterDevice(deviceOf(item), item.value.shape));
    if (entered.length === 0) return;
    try {
      await writeMetrics(db, entered, new Date(clock.now()));
    } catch (error) {
      // Not written down, so not known.
      for (const { metric, ...device } of entered) remembered.get(device)?.metrics.delete(metric);
      throw error;
    }
  };

  const keep = (item: Item<Points>): Item<Points> => {
    const device = deviceOf(item);
    const known = remembered.get(device)?.metrics ?? new Set<string>();
    const { metrics } = item.value.shape;
    const beyond = metrics.find((metric) => !known.has(metric));
    if (beyond === undefined) return item;
    const detail = `"${shown(beyond)}" is not stored: the device has sent ${limit} different metrics, and may have no more. Its other metrics are stored.`;
    onRefused({ device: device.device, scope: item.message.scope, at: item.message.receivedAt, because, detail });
    return { message: item.message, value: select(item.value, (metric) => known.has(metric)) };
  };

  return {
    async admit(batch) {
      const questions = doubtful(batch);
      if (questions.length === 0) return [...batch];
      await learn(questions.map(deviceOf), batch);
      await enter(questions);
      const asked = new Set(questions);
      return batch.map((item) => (asked.has(item) ? keep(item) : item)).filter(({ value }) => value.values.length > 0);
    },
  };
}

/** The metrics of a device; and the shape that was last seen to hold none but these. */
type Known = { readonly metrics: Set<string>; shape: Shape | undefined };

function isWithin(known: Known, shape: Shape): boolean {
  if (known.shape === shape) return true;
  if (!shape.metrics.every((metric) => known.metrics.has(metric))) return false;
  known.shape = shape;
  return true;
}

function select(points: Points, wanted: (metric: string) => boolean): Points {
  const { metrics, units } = points.shape;
  const places = metrics.flatMap((metric, place) => (wanted(metric) ? place : []));
  return {
    shape: { metrics: places.map((place) => metrics[place] ?? ""), units: places.map((place) => units[place] ?? "") },
    values: places.map((place) => points.values[place] ?? Number.NaN),
    at: places.map((place) => timeAt(points, place)),
    timeSource: places.map((place) => sourceAt(points, place)),
  };
}

async function readMetrics(db: Database, devices: readonly Device[]): Promise<(Device & { metric: string })[]> {
  const { rows } = await sql<Device & { metric: string }>`
    select fleet, device, metric from telemetry.metric
    join unnest(${devices.map(({ fleet }) => fleet)}::text[], ${devices.map(({ device }) => device)}::text[]) as wanted(fleet, device) using (fleet, device)`.execute(
    db,
  );
  return rows;
}

async function writeMetrics(db: Database, entered: readonly (Device & { metric: string })[], at: Date): Promise<void> {
  await sql`insert into telemetry.metric (fleet, device, metric, first_at)
    select fleet, device, metric, ${at} from unnest(${entered.map(({ fleet }) => fleet)}::text[], ${entered.map(({ device }) => device)}::text[],
      ${entered.map(({ metric }) => metric)}::text[]) as entered(fleet, device, metric)
    on conflict do nothing`.execute(db);
}
