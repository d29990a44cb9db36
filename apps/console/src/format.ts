import { humanDuration } from "@tenfold/base";

/** Numbers and times as words. Pure: the present is an argument. */

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export const count = (n: number): string => whole.format(n);

/** `1 device`, `12 devices`. */
export const counted = (n: number, one: string, many: string = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;

/** A share of 1 as percent, with as many digits as it needs: `5 %`, `0.25 %`, `99.95 %`. */
export function percent(share: number, digits = 2): string {
  const value = share * 100;
  return `${Number(value.toFixed(digits))} %`;
}

/** How long ago or until, in the coarsest unit that says enough: `now`, `42 s ago`, `in 5 min`. */
export function relative(at: number, now: number): string {
  const gap = now - at;
  if (Math.abs(gap) < 1_500) return "now";
  const length = humanDuration(coarse(Math.abs(gap)));
  return gap > 0 ? `${length} ago` : `in ${length}`;
}

/** Drops digits that nobody reads: whole seconds, minutes, hours, days. */
function coarse(length: number): number {
  if (length < 120_000) return Math.round(length / 1_000) * 1_000;
  if (length < 7_200_000) return Math.round(length / 60_000) * 60_000;
  if (length < 172_800_000) return Math.round(length / 360_000) * 360_000;
  return Math.round(length / 86_400_000) * 86_400_000;
}

/** The moment in the reader's own time zone, to the second. */
export const absolute = (at: number): string => new Date(at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });

export const clockTime = (at: number): string => new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

/** A sentence of the server with its times as the reader's clock shows them, instead of `2026-11-22T21:55:18.926Z`. */
export const localTimes = (text: string): string =>
  text.replace(/\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z/g, (iso) => new Date(iso).toLocaleTimeString("en-GB"));

/** Labels of a time axis (seconds since the epoch), 24-hour clock; the day stands where it changes, or alone where steps are days. */
export function timeTicks(seconds: readonly number[]): string[] {
  const step = (seconds[1] ?? 0) - (seconds[0] ?? 0);
  const day = (second: number) => new Date(second * 1_000).toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  const clock = (second: number) => (step < 60 ? new Date(second * 1_000).toLocaleTimeString("en-GB") : clockTime(second * 1_000));
  return seconds.map((second, place) => {
    if (step >= 86_400) return day(second);
    const changed = place === 0 || day(second) !== day(seconds[place - 1] ?? second);
    return changed ? `${clock(second)}\n${day(second)}` : clock(second);
  });
}

export function bytes(n: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = n;
  let unit = 0;
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  return `${Number(value.toFixed(value < 10 && unit > 0 ? 1 : 0))} ${units[unit] ?? "B"}`;
}

/** A KPI's number in its unit; an em dash where there is nothing to count yet. */
export function kpiValue(value: number | null, unit: "ratio" | "s" | "ms" | "count" | "h"): string {
  if (value === null) return "–";
  switch (unit) {
    case "ratio":
      return percent(value, value > 0.99 && value < 1 ? 3 : 2);
    case "s":
      return humanDuration(value * 1_000);
    case "h":
      return humanDuration(value * 3_600_000);
    case "ms":
      return humanDuration(value);
    case "count":
      return count(value);
  }
}

/** A measured value without noise digits. */
export const measured = (value: number | string): string =>
  typeof value === "string" ? value : String(Number(value.toPrecision(6)));

/** The first characters of a hash or fingerprint; the whole belongs in a title. */
export const short = (hash: string, characters = 12): string => (hash.length > characters ? `${hash.slice(0, characters)}…` : hash);

/** `rolled_back` as people write it: `rolled back`. */
export const words = (code: string): string => code.replaceAll("_", " ");

export const sentence = (code: string): string => words(code).replace(/^./, (first) => first.toUpperCase());
