import { sql } from "kysely";
import type { Clock, Database } from "../kernel/index.ts";
import type { Refusal } from "./errors.ts";
import type { Item, RefusalNote } from "./intake.shell.ts";
import { type MeasuredPoint, shown } from "./point.ts";

export type Budget = {
  /**
   * The batch without the points of metrics that are beyond their device's budget. Which metrics a device has is written down before its
   * points are stored, so that a replay admits what was admitted before. Messages keep their place, with the points that are left.
   */
  admit(batch: readonly Item<MeasuredPoint[]>[]): Promise<Item<MeasuredPoint[]>[]>;
};

export type BudgetDeps = { db: Database; clock: Clock; limit: number; onRefused(note: RefusalNote): void };
type Device = { fleet: string; device: string };

const devicesRemembered = 20_000;
const because: Refusal = "metric_budget_exceeded";

/** One device that makes up metrics without end must not fill the store for all: it keeps the first `limit` that it sent. */
export function createBudget({ db, clock, limit, onRefused }: BudgetDeps): Budget {
  const remembered = new Map<string, Set<string>>();
  const keyOf = ({ fleet, device }: Device) => `${fleet}/${device}`;
  const deviceOf = ({ message }: Item<unknown>): Device => ({ fleet: message.scope.fleet, device: message.device });
  const knows = (device: Device, metric: string) => remembered.get(keyOf(device))?.has(metric) === true;

  const learn = async (batch: readonly Item<MeasuredPoint[]>[]) => {
    const unknown = new Map(
      batch.map(deviceOf).flatMap((device) => (remembered.has(keyOf(device)) ? [] : [[keyOf(device), device] as const])),
    );
    if (unknown.size === 0) return;
    const found = await readMetrics(db, [...unknown.values()]);
    const speaking = new Set(batch.map(deviceOf).map(keyOf));
    for (const key of remembered.keys()) {
      if (remembered.size + unknown.size <= devicesRemembered) break;
      if (!speaking.has(key)) remembered.delete(key);
    }
    for (const key of unknown.keys()) remembered.set(key, new Set());
    for (const { metric, ...device } of found) remembered.get(keyOf(device))?.add(metric);
  };

  const enterDevice = (device: Device, points: readonly MeasuredPoint[]): (Device & { metric: string })[] => {
    const known = remembered.get(keyOf(device)) ?? new Set<string>();
    const entered: (Device & { metric: string })[] = [];
    for (const { metric } of points) {
      if (known.has(metric) || known.size >= limit) continue;
      known.add(metric);
      entered.push({ ...device, metric });
    }
    return entered;
  };

  const enter = async (batch: readonly Item<MeasuredPoint[]>[]) => {
    const entered = batch.flatMap((item) => enterDevice(deviceOf(item), item.value));
    if (entered.length === 0) return;
    try {
      await writeMetrics(db, entered, new Date(clock.now()));
    } catch (error) {
      // Not written down, so not known.
      for (const { metric, ...device } of entered) remembered.get(keyOf(device))?.delete(metric);
      throw error;
    }
  };

  const keep = (item: Item<MeasuredPoint[]>): Item<MeasuredPoint[]> => {
    const device = deviceOf(item);
    const left = item.value.filter(({ metric }) => knows(device, metric));
    if (left.length === item.value.length) return item;
    const beyond = item.value.find(({ metric }) => !knows(device, metric));
    const detail = `"${shown(beyond?.metric ?? "")}" is not stored: the device has sent ${limit} different metrics, and may have no more. Its other metrics are stored.`;
    onRefused({ device: device.device, scope: item.message.scope, at: item.message.receivedAt, because, detail });
    return { message: item.message, value: left };
  };

  return {
    async admit(batch) {
      await learn(batch);
      await enter(batch);
      return batch.map(keep).filter(({ value }) => value.length > 0);
    },
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
