import type { Scope } from "@tenfold/base";
import type { ColumnStore } from "../kernel/index.ts";
import { type Bucket, bucketsOf, type CellsSize, cellDrawing, type FleetQuery, sizeOfCells } from "./cells.shell.ts";
import type { Kept } from "./retention.ts";
import { type CellSize, cellMs, type Resolution, resolutionFor, wholeCells } from "./rollup.ts";
import {
  allPoints,
  rawDrawing,
  type SeriesQuery,
  type StoredPoint,
  shapePoints,
  sizeOf,
  thinnedPoints,
  wholeSeries,
} from "./store.ts";

export type SeriesDeps = {
  store: ColumnStore;
  /** Every point before this moment is counted in its cells. */
  rolledUntil(device?: string): Promise<number>;
  /** From when on nothing has been deleted. */
  kept(scope: Scope): Promise<Kept>;
};

export type Wish = SeriesQuery & { points: number; sampling: "minmax" | "lttb" };
export type SeriesAnswer = {
  unit: string;
  sampling: "all" | "minmax" | "lttb";
  resolution: Resolution;
  stored: number;
  points: StoredPoint[];
};

/** Reading so many times more points than are wanted is still cheaper than looking for something better. */
const worthReading = 20;

/** Every stored point where they fit, else thinned; from cells where the points are very many, or are no longer kept. */
export async function readSeries({ store, rolledUntil }: SeriesDeps, scope: Scope, wish: Wish): Promise<SeriesAnswer> {
  const edge = await rolledUntil(wish.device);
  // Nothing of it is in a cell yet, as with all charts of the last minutes: the points are all there is, and mostly few.
  const whole = wholeCells(wish, "1h").from >= edge ? await wholeSeries(store, scope, { ...wish, most: wish.points }) : undefined;
  if (whole !== undefined) return { ...whole, sampling: "all", resolution: "raw", stored: whole.points.length };
  const cells = (size: CellSize) => sizeOfCells(store, scope, { ...wish, ...wholeCells(wish, size), asked: wish, size, edge });
  const fromCells = (size: CellSize, found: CellsSize) => drawCells(store, scope, { wish, edge, size, found });
  const hours = await cells("1h");
  if (hours.n > worthReading * wish.points) {
    const bucketMs = (hours.last - hours.first) / (wish.points / 2);
    const resolution = resolutionFor({ bucketMs, cells: 2 });
    if (resolution === "1h") return fromCells("1h", hours);
    if (resolution === "1m") {
      const minutes = await cells("1m");
      return minutes.whole < hours.whole ? fromCells("1h", hours) : fromCells("1m", minutes);
    }
  }
  const raw = await sizeOf(store, scope, wish);
  if (raw.stored - raw.texts >= hours.whole) return drawPoints(store, scope, { wish, raw });
  const minutes = await cells("1m");
  return minutes.whole < hours.whole ? fromCells("1h", hours) : fromCells("1m", minutes);
}

async function drawPoints(
  store: ColumnStore,
  scope: Scope,
  { wish, raw: { stored, texts, unit } }: { wish: Wish; raw: Awaited<ReturnType<typeof sizeOf>> },
): Promise<SeriesAnswer> {
  const whole = { unit, stored, resolution: "raw" as const };
  if (stored <= wish.points) return { ...whole, sampling: "all", points: stored === 0 ? [] : await allPoints(store, scope, wish) };
  const drawing = rawDrawing(scope, wish, stored);
  // Texts have no shape.
  if (wish.sampling === "lttb" && texts === 0)
    return { ...whole, sampling: "lttb", points: await shapePoints(store, drawing, wish.points) };
  const buckets = Math.floor(wish.points / 2);
  return { ...whole, sampling: "minmax", points: await thinnedPoints(store, drawing, { buckets, texts: texts > 0 }) };
}

async function drawCells(
  store: ColumnStore,
  scope: Scope,
  { wish, edge, size, found }: { wish: Wish; edge: number; size: CellSize; found: CellsSize },
): Promise<SeriesAnswer> {
  const drawing = cellDrawing(scope, { ...wish, ...wholeCells(wish, size), size, edge }, found.extremes);
  const points =
    wish.sampling === "lttb"
      ? await shapePoints(store, drawing, wish.points)
      : await thinnedPoints(store, drawing, { buckets: Math.floor(wish.points / 2), texts: false });
  return {
    unit: found.unit,
    stored: found.n,
    sampling: wish.sampling,
    resolution: size,
    // A cell at the border has extremes on both sides of it, and when a point of a cell was received is not kept.
    points: points.filter(({ at }) => at >= wish.from && at < wish.to).map(({ at, v }) => ({ at, v })),
  };
}

export type FleetAnswer = { resolution: Resolution; from: number; to: number; buckets: Bucket[] };

/** One number a bucket. Cells where a bucket holds at least ten of them, or where finer ones are no longer kept. */
export async function readFleet({ store, rolledUntil, kept }: SeriesDeps, scope: Scope, query: FleetQuery): Promise<FleetAnswer> {
  const wanted = resolutionFor({ bucketMs: (query.to - query.from) / query.buckets, cells: 10 });
  const resolution = keptResolution(wanted, query.from, await kept(scope));
  if (resolution === "raw")
    return {
      resolution,
      from: query.from,
      to: query.to,
      buckets: await bucketsOf(store, scope, { ...query, resolution, edge: 0 }),
    };
  const range = wholeCells(query, resolution);
  const edge = await rolledUntil();
  return { resolution, ...range, buckets: await bucketsOf(store, scope, { ...query, ...range, resolution, edge }) };
}

function keptResolution(wanted: Resolution, from: number, kept: Kept): Resolution {
  const finest: Resolution = from >= kept.raw ? "raw" : from >= kept.minute ? "1m" : "1h";
  const width = (resolution: Resolution) => (resolution === "raw" ? 0 : cellMs[resolution]);
  return width(finest) > width(wanted) ? finest : wanted;
}
