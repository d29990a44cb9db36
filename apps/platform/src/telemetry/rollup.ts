import { hours, minutes } from "@tenfold/base";

/** How fine numbers are read: the points themselves, or their cells of a minute or an hour. */
export type Resolution = "raw" | "1m" | "1h";
export type CellSize = Exclude<Resolution, "raw">;

export const cellMs: Readonly<Record<CellSize, number>> = { "1m": minutes(1), "1h": hours(1) };

/** An hour whose cells have to be computed, of one device or, with an empty name, of all. Milliseconds since 1970. */
export type Due = { hour: number; device: string };
export const everyDevice = "";

/** An hour is computed as a whole once it is over for this long; a point that comes later makes its device due alone. */
export const closedAfterMs = minutes(5);
/** With more late devices in one batch it is cheaper to compute the hour as a whole. */
const mostLateDevices = 200;

const hourOf = (at: number): number => Math.floor(at / hours(1)) * hours(1);

/** Which hours the points of a batch touch. `at`: one time for all points of a message, or one each. */
export function duesOf(batch: Iterable<{ device: string; at: number | readonly number[] }>, now: number): Due[] {
  const touched = new Map<number, Set<string>>();
  let [known, late]: [number, Set<string> | undefined] = [Number.NaN, undefined];
  const touch = (at: number, device: string) => {
    const hour = hourOf(at);
    if (hour !== known) {
      const devices = touched.get(hour) ?? new Set();
      touched.set(hour, devices);
      // Who touched an hour that still runs is asked by nobody.
      late = isClosed(hour, now) ? devices : undefined;
      known = hour;
    }
    late?.add(device);
  };
  for (const { device, at } of batch) {
    if (typeof at === "number") touch(at, device);
    else for (const each of at) touch(each, device);
  }
  return [...touched].flatMap(([hour, devices]) =>
    isClosed(hour, now) && devices.size <= mostLateDevices
      ? [...devices].map((device) => ({ hour, device }))
      : [{ hour, device: everyDevice }],
  );
}

export const isClosed = (hour: number, now: number): boolean => hour + hours(1) + closedAfterMs <= now;

/**
 * The coarsest cells of which a bucket of this width still holds `cells`, so that their borders move a bucket's by little. Points where
 * even a minute is too coarse.
 */
export function resolutionFor({ bucketMs, cells }: { bucketMs: number; cells: number }): Resolution {
  if (bucketMs >= cells * cellMs["1h"]) return "1h";
  return bucketMs >= cells * cellMs["1m"] ? "1m" : "raw";
}

/** The range made longer to whole cells. */
export function wholeCells({ from, to }: { from: number; to: number }, size: CellSize): { from: number; to: number } {
  const width = cellMs[size];
  return { from: Math.floor(from / width) * width, to: Math.ceil(to / width) * width };
}

/** Points of one metric that are to be counted in cells. */
export type MetricSize = { fleet: string; metric: string; points: number };

/** What is computed in one statement: these metrics of a fleet; of `parts` shares of the devices, that with this number. */
export type Slice = { fleet: string; metrics: string[]; part: number; parts: number };

/**
 * Cuts the points of an hour so that no statement has more than about `most` of them: the engine keeps a cell for each series and minute in memory,
 * and has no more of that for a large fleet than for a small one.
 */
export function slicesOf(sizes: readonly MetricSize[], most: number): Slice[] {
  const slices: Slice[] = [];
  let [open, room]: [Slice | undefined, number] = [undefined, 0];
  for (const { fleet, metric, points } of sizes) {
    if (open?.fleet === fleet && points <= room) {
      open.metrics.push(metric);
      room -= points;
      continue;
    }
    const parts = Math.max(1, Math.ceil(points / most));
    for (let part = 0; part < parts; part++) slices.push({ fleet, metrics: [metric], part, parts });
    [open, room] = parts === 1 ? [slices.at(-1), most - points] : [undefined, 0];
  }
  return slices;
}
