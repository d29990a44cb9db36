/**
 * How values are spread, in buckets that grow by 2 % each: any percentile is right to 1 %, whatever the span, and two sketches add up to
 * the sketch of both (after DDSketch). Plain data, so that it can lie in a JSON column.
 */
export type Sketch = Record<string, number>;

const growth = 1.02;
const perBucket = Math.log(growth);

const bucketFor = (value: number): number => (value <= 1 ? 0 : Math.ceil(Math.log(value) / perBucket));
/** Nearly all values are whole and small, and a logarithm for each costs more than the rest of counting it. */
const small = Uint16Array.from({ length: 4_096 }, (_, value) => bucketFor(value));

/** The bucket of a value in milliseconds; everything up to 1 ms, and what clocks make negative, is bucket 0. */
const bucketOf = (value: number): number => small[value] ?? bucketFor(value);

/** The value that stands for a bucket: not further than 1 % from any in it. */
const valueIn = (bucket: number): number => (bucket === 0 ? 0 : (2 * growth ** bucket) / (1 + growth));

export function addValue(sketch: Sketch, value: number): void {
  const bucket = bucketOf(value);
  sketch[bucket] = (sketch[bucket] ?? 0) + 1;
}

export function addSketch(sketch: Sketch, other: Sketch): void {
  for (const [bucket, n] of Object.entries(other)) sketch[bucket] = (sketch[bucket] ?? 0) + n;
}

export const countOf = (sketch: Sketch): number => Object.values(sketch).reduce((sum, n) => sum + n, 0);

/** The value below or at which this share of all values lies (nearest rank), rounded to whole milliseconds; undefined where there is none. */
export function quantile(sketch: Sketch, share: number): number | undefined {
  const n = countOf(sketch);
  if (n === 0) return undefined;
  let rank = Math.max(1, Math.ceil(share * n));
  for (const bucket of Object.keys(sketch)
    .map(Number)
    .sort((a, b) => a - b)) {
    rank -= sketch[bucket] ?? 0;
    if (rank <= 0) return Math.round(valueIn(bucket));
  }
  return undefined;
}
