import { days, hours, minutes } from "@tenfold/base";

/** The stretches of time that a chart can show, ending now. */
export const ranges = [
  { id: "15m", label: "15 min", length: minutes(15) },
  { id: "1h", label: "1 h", length: hours(1) },
  { id: "6h", label: "6 h", length: hours(6) },
  { id: "24h", label: "24 h", length: hours(24) },
  { id: "7d", label: "7 d", length: days(7) },
] as const;
export type RangeId = (typeof ranges)[number]["id"];

const steps = 150;

/**
 * The moments of a range. They move in steps of a 150th of its length, so that the same question is asked again only when its answer
 * would look different.
 */
export function momentsOf(id: RangeId, now: number): { from: string; to: string } {
  const length = ranges.find((range) => range.id === id)?.length ?? hours(1);
  const step = Math.max(5_000, Math.round(length / steps));
  const to = Math.ceil(now / step) * step;
  return { from: new Date(to - length).toISOString(), to: new Date(to).toISOString() };
}
