import { minutes } from "@tenfold/base";
import { type MaintenanceWindow, weekdays } from "@tenfold/contracts";

/** What a wall clock shows: the day of the week (0 is Monday) and the minute of the day. */
type Label = { day: number; minute: number };
type WallClock = (at: number) => Label;

/** Shorter windows could fall between two looks of `nextOpening`. */
export const shortestWindow = minutes(15);
/** How far ahead an opening is looked for: a weekly window that a change of the clocks swallows is there the week after. */
const horizon = minutes(15 * 24 * 60);

const namePattern = /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/;

/** Whether it is a name of the time zone database that this server knows. Bare offsets are not: they know no summer. */
export function isZone(name: string): boolean {
  return namePattern.test(name) && wallClock(name) !== undefined;
}

function wallClock(zone: string): WallClock | undefined {
  const format = formatOf(zone);
  if (format === undefined) return undefined;
  return (at) => {
    const parts = format.formatToParts(at);
    const of = (type: Intl.DateTimeFormatPartTypes) => parts.find((part) => part.type === type)?.value ?? "";
    const day = weekdays.findIndex((name) => of("weekday").toLowerCase().startsWith(name));
    return { day, minute: Number(of("hour")) * 60 + Number(of("minute")) };
  };
}

function formatOf(zone: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      weekday: "short",
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
  } catch {
    return undefined;
  }
}

const minuteOf = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));

/** How long a window is on the wall clock, in ms. */
export function lengthOf({ from, to }: Pick<MaintenanceWindow, "from" | "to">): number {
  const length = minuteOf(to) - minuteOf(from);
  return minutes(length > 0 ? length : length + 24 * 60);
}

function isOpen({ days, from, to }: MaintenanceWindow, { day, minute }: Label): boolean {
  const [opens, closes] = [minuteOf(from), minuteOf(to)];
  const on = (which: number) => days === undefined || days.some((name) => name === weekdays[(which + 7) % 7]);
  if (opens < closes) return on(day) && minute >= opens && minute < closes;
  return (on(day) && minute >= opens) || (on(day - 1) && minute < closes);
}

/**
 * When a window that is closed at `now` opens. It is found by what the clock shows and not by reckoning with offsets, so that an hour that is
 * skipped or repeated needs no rule of its own.
 */
function nextOpening(window: MaintenanceWindow, clock: WallClock, now: number): number | undefined {
  const quarter = shortestWindow;
  for (let at = (Math.floor(now / quarter) + 1) * quarter; at <= now + horizon; at += quarter) {
    if (!isOpen(window, clock(at))) continue;
    let first = at;
    while (first - minutes(1) > now && isOpen(window, clock(first - minutes(1)))) first -= minutes(1);
    return first;
  }
  return undefined;
}

/**
 * When a window that is open at `now` closes; undefined where it does not within two days. Quarters are looked into where the clock passes the
 * window's end or shows something else than the window: it may be closed for less than a quarter.
 */
function nextClosing(window: MaintenanceWindow, clock: WallClock, now: number): number | undefined {
  const closes = minuteOf(window.to);
  const passes = (from: number) => (closes - clock(from).minute + 24 * 60) % (24 * 60) <= 15;
  for (let from = now; from <= now + minutes(2 * 24 * 60); from += shortestWindow) {
    if (!passes(from) && isOpen(window, clock(from + shortestWindow))) continue;
    for (let at = (Math.floor(from / minutes(1)) + 1) * minutes(1); at <= from + shortestWindow; at += minutes(1))
      if (!isOpen(window, clock(at))) return at;
  }
  return undefined;
}

/** When whoever is inside one of each of these lists is not any more (ms); undefined where that is not known or never. */
export type ClosingJudge = (
  lists: readonly (readonly MaintenanceWindow[])[],
  tags: Readonly<Record<string, string>>,
) => number | undefined;

export function closingsAfter(now: number): ClosingJudge {
  const known = new Map<string, number | undefined>();
  const closing = (window: MaintenanceWindow, zone: string): number | undefined => {
    const key = JSON.stringify([zone, window]);
    if (!known.has(key)) {
      const clock = namePattern.test(zone) ? wallClock(zone) : undefined;
      known.set(key, clock === undefined || !isOpen(window, clock(now)) ? now : nextClosing(window, clock, now));
    }
    return known.get(key);
  };
  return (lists, tags) => {
    const ends = lists.flatMap((windows) => {
      const binding = windows.filter(({ tag }) => tag === undefined || hasTag(tags, tag));
      const each = binding.map((window) => closing(window, zoneOf(window, tags) ?? ""));
      // One that stays open keeps the list open.
      return each.length === 0 || each.includes(undefined) ? [] : [Math.max(...each.filter((end) => end !== undefined))];
    });
    return ends.length === 0 ? undefined : Math.min(...ends);
  };
}

export type Opening = { is: "open" } | { is: "closed"; because: string; until?: number };

/** Judges windows at one moment. Each clock is asked once, however many devices there are. */
export type WindowJudge = (windows: readonly MaintenanceWindow[], tags: Readonly<Record<string, string>>) => Opening;

export function windowsAt(now: number): WindowJudge {
  const known = new Map<string, Opening>();
  const opening = (window: MaintenanceWindow, zone: string): Opening => {
    const key = JSON.stringify([zone, window]);
    const found = known.get(key) ?? openingOf(window, zone, now);
    known.set(key, found);
    return found;
  };
  return (windows, tags) => {
    const binding = windows.filter(({ tag }) => tag === undefined || hasTag(tags, tag));
    const openings = binding.map((window) => opening(window, zoneOf(window, tags) ?? ""));
    if (openings.length === 0 || openings.some(({ is }) => is === "open")) return { is: "open" };
    return earliest(openings);
  };
}

function openingOf(window: MaintenanceWindow, zone: string, now: number): Opening {
  if (zone === "") return { is: "closed", because: `Its time zone is not known: it has no tag ${window.zone.slice(4)}.` };
  const clock = namePattern.test(zone) ? wallClock(zone) : undefined;
  if (clock === undefined) return { is: "closed", because: `"${zone}" is no time zone, so its window cannot be judged.` };
  if (isOpen(window, clock(now))) return { is: "open" };
  const until = nextOpening(window, clock, now);
  return {
    is: "closed",
    because: `Its window ${describeWindow(window, zone)} is closed.`,
    ...(until === undefined ? {} : { until }),
  };
}

export const describeWindow = ({ days, from, to }: MaintenanceWindow, zone: string): string =>
  `${days ? `${days.join(" ")} ` : ""}${from}-${to} ${zone}`;

function earliest(openings: readonly Opening[]): Opening {
  const [first] = openings.toSorted((a, b) => untilOf(a) - untilOf(b));
  return first ?? { is: "open" };
}
const untilOf = (opening: Opening): number =>
  opening.is === "closed" ? (opening.until ?? Number.POSITIVE_INFINITY) : Number.NEGATIVE_INFINITY;

const zoneOf = ({ zone }: MaintenanceWindow, tags: Readonly<Record<string, string>>): string | undefined =>
  zone.startsWith("tag:") ? tags[zone.slice(4)] : zone;

function hasTag(tags: Readonly<Record<string, string>>, pair: string): boolean {
  const at = pair.indexOf("=");
  return tags[pair.slice(0, at)] === pair.slice(at + 1);
}

/** Windows that bind every device in the same way, so that the whole rollout can wait for them. */
export const bindsAll = ({ zone, tag }: MaintenanceWindow): boolean => tag === undefined && !zone.startsWith("tag:");
