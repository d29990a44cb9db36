import type { MeasuredPoint } from "./point.ts";

export type LatestPoint = { v: number | string; unit: string; at: number };
export type Latest = {
  note(device: { fleet: string; device: string }, points: readonly MeasuredPoint[]): void;
  /** The newest point of each metric, as far as it is remembered. */
  of(device: { fleet: string; device: string }): ReadonlyMap<string, LatestPoint> | undefined;
};

/** Remembers the newest points of the devices that spoke last. Bounded: beyond `devices`, who was silent longest is forgotten. */
export function rememberLatest({ devices, metrics }: { devices: number; metrics: number }): Latest {
  const remembered = new Map<string, Map<string, LatestPoint>>();
  const keyOf = ({ fleet, device }: { fleet: string; device: string }) => `${fleet}/${device}`;
  return {
    note(device, points) {
      const key = keyOf(device);
      const known = remembered.get(key) ?? new Map<string, LatestPoint>();
      // Taken out and put back: a Map's order is then the order of speaking.
      remembered.delete(key);
      remembered.set(key, known);
      for (const { metric, v, unit, at } of points) {
        const before = known.get(metric);
        if (before === undefined ? known.size < metrics : before.at <= at) known.set(metric, { v, unit, at });
      }
      const [oldest] = remembered.keys();
      if (remembered.size > devices && oldest !== undefined) remembered.delete(oldest);
    },
    of: (device) => remembered.get(keyOf(device)),
  };
}
