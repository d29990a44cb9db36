import { DeviceMap, type FleetDevice } from "./device-map.ts";
import { listOf, type MeasuredPoint, newestOf, type Points } from "./point.ts";

export type LatestPoint = { v: number | string; unit: string; at: number };
export type Latest = {
  note(device: FleetDevice, points: Points): void;
  /** The newest point of each metric, as far as it is remembered. */
  of(device: FleetDevice): ReadonlyMap<string, LatestPoint> | undefined;
};

/** What a device sent: the message that was noted last as it is, and the newest of all before. `placed`: the note at which it came to its place. */
type Known = { last: Points; before: Map<string, LatestPoint>; placed: number };

/**
 * Remembers the newest points of the devices that spoke last. Bounded: beyond `devices`, who was silent longest in its fleet is forgotten, to
 * within half as many notes: a device that was placed a moment ago keeps its place, because finding it a new one costs more than the note.
 */
export function rememberLatest({ devices, metrics }: { devices: number; metrics: number }): Latest {
  const remembered = new DeviceMap<Known>();
  let notes = 0;
  return {
    note(device, points) {
      notes += 1;
      const known = remembered.get(device);
      if (known) takeNext(known, points, metrics);
      if (known && notes - known.placed <= devices / 2) return;
      const placed = known ?? { last: points, before: new Map(), placed: notes };
      placed.placed = notes;
      remembered.set(device, placed);
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
function takeNext(known: Known, points: Points, metrics: number): void {
  const { last, before } = known;
  const replaces = points.shape === last.shape && typeof points.at === "number" && points.at >= newestOf(last);
  if (!replaces) add(before, listOf(last), metrics);
  known.last = points;
}

function add(known: Map<string, LatestPoint>, points: readonly MeasuredPoint[], metrics: number): void {
  for (const { metric, v, unit, at } of points) {
    const before = known.get(metric);
    if (before === undefined ? known.size < metrics : before.at <= at) known.set(metric, { v, unit, at });
  }
}
