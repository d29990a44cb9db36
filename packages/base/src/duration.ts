/** Lengths of time are plain numbers of milliseconds; these make and read them. */

export const milliseconds = (n: number): number => n;
export const seconds = (n: number): number => n * 1_000;
export const minutes = (n: number): number => n * 60_000;
export const hours = (n: number): number => n * 3_600_000;
export const days = (n: number): number => n * 86_400_000;

const iso = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;
const short = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const unit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Reads `PT5M` (ISO 8601, days at most) or `5m`; undefined when it is neither. */
export function parseDuration(text: string): number | undefined {
  const brief = short.exec(text);
  // The pattern admits only keys of `unit`.
  if (brief) return Number(brief[1]) * unit[brief[2] as keyof typeof unit];
  const long = iso.exec(text);
  if (!long || text === "P" || text.endsWith("T")) return undefined;
  const [, d = "0", h = "0", m = "0", s = "0"] = long;
  return days(Number(d)) + hours(Number(h)) + minutes(Number(m)) + seconds(Number(s));
}

/** Writes ISO 8601: `PT1M30S`. Days are the largest unit, because a month has no fixed length. */
export function formatDuration(length: number): string {
  const [d, h, m] = [Math.floor(length / days(1)), Math.floor(length / hours(1)) % 24, Math.floor(length / minutes(1)) % 60];
  const s = Math.round(length % minutes(1)) / 1_000;
  const time = `${h ? `${h}H` : ""}${m ? `${m}M` : ""}${s ? `${s}S` : ""}`;
  return d || time ? `P${d ? `${d}D` : ""}${time ? `T${time}` : ""}` : "PT0S";
}

/** For people: `850 ms`, `42 s`, `4 min`, `3.2 h`, `12 d`. */
export function humanDuration(length: number): string {
  if (length < seconds(1)) return `${Math.round(length)} ms`;
  if (length < minutes(2)) return `${trim(length / seconds(1))} s`;
  if (length < hours(2)) return `${trim(length / minutes(1))} min`;
  if (length < days(2)) return `${trim(length / hours(1))} h`;
  return `${trim(length / days(1))} d`;
}

const trim = (n: number) => String(Math.round(n * 10) / 10);
