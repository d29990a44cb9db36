import { DeviceMap, type FleetDevice } from "./device-map.ts";
import { listOf, type MeasuredPoint, newestOf, type Points } from "./point.ts";

export type LatestPoint = { v: number | string; unit: string; at: number };
export type Latest = {
  note(device: FleetDevice, points: Points): void;
  /** The newest point of each metric, as far as it is remembered. */
  of(device: FleetDevice): ReadonlyMap<string, LatestPoint> | undefined;
};

/** What a device sent: the message that was noted last as it is, and the newest of all before. */
type Known = { last: Points; before: Map<string, LatestPoint> };

/** Remembers the newest points of the devices that spoke last. Bounded: beyond `devices`, who was silent longest in its fleet is forgotten. */
export function rememberLatest({ devices, metrics }: { devices: number; metrics: number }): Latest {
  const remembered = new DeviceMap<Known>();
  return {
    note(device, points) {
      const known = remembered.get(device);
      remembered.set(device, known ? withNext(known, points, metrics) : { last: points, before: new Map() });
      if (remembered.size <= devices) return;
      const oldest = remembered.oldest(device.fleet);
      if (oldest) remembered.delete(oldest);
    },
    of(device) {
      const known = remembered.get(device);
      if (known === undefined) return undefined;
      const all = new Map(known.before);
      add(all, listOf(known.last), metrics);
      return all;
    },
  };
}

/** Most messages of a device measure the same as its last one, only later: then nothing of that one is needed any more. */
function withNext(known: Known, points: Points, metrics: number): Known {
  const { last, before } = known;
  const replaces = points.shape === last.shape && typeof points.at === "number" && points.at >= newestOf(last);
  if (!replaces) add(before, listOf(last), metrics);
  known.last = points;
  return known;
}

function add(known: Map<string, LatestPoint>, points: readonly MeasuredPoint[], metrics: number): void {
  for (const { metric, v, unit, at } of points) {
    const before = known.get(metric);
    if (before === undefined ? known.size < metrics : before.at <= at) known.set(metric, { v, unit, at });
  }
}
