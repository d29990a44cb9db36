import { days } from "@tenfold/base";

/** From (inclusive) to (exclusive), ms. */
export type Period = { from: number; to: number };

const usualPeriod = days(30);
const buckets = 12;

/**
 * The period that a question is about: never the future, 30 days where nothing was said, and not before there was anything to count,
 * so that the trend of a young fleet shows its own days.
 */
export function periodOf({
  from,
  to,
  now,
  since,
}: {
  from?: number;
  to?: number;
  now: number;
  since?: number | undefined;
}): Period {
  const end = Math.min(to ?? now, now);
  const begin = from ?? Math.max(end - usualPeriod, since ?? 0);
  return { from: Math.min(begin, end - 1_000), to: end };
}

/** A period in equal parts for a trend, oldest first. */
export function bucketsOf({ from, to }: Period): Period[] {
  const edge = (i: number) => Math.round(from + ((to - from) * i) / buckets);
  return Array.from({ length: buckets }, (_, i) => ({ from: edge(i), to: edge(i + 1) }));
}
