import type { DeviceEvent, GuardName, Heartbeat } from "@tenfold/contracts";

/** The window in which a device is watched; ms since 1970. From `settledAt` on, what a restart disturbs counts too. */
export type Window = { from: number; settledAt: number; until: number };

/** What has been seen of a device in its window. Sums instead of samples, so that a week's soak is as small as an hour's. */
export type Seen = {
  /** The last heartbeat that was counted: one that comes late or twice changes nothing. */
  beatAt?: number;
  eventAt?: number;
  bootId?: string;
  crashes: number;
  restarts: number;
  /** Least squares over (hours since `settledAt`, value). */
  memory?: Line;
  battery?: Line;
  data?: Count;
};
type Count = { total: number; last: number; from: number; to: number };
type Line = { n: number; t: number; x: number; tt: number; tx: number; from: number; to: number };

export const nothingSeen: Seen = { crashes: 0, restarts: 0 };

/** Kinds of events that say that something broke down. */
const breakdowns = new Set(["crash", "kernel_panic", "oom", "watchdog", "brownout"]);

const hour = 3_600_000;

export function seeEvent(seen: Seen, { event, at }: { event: Pick<DeviceEvent, "type">; at: number }, window: Window): Seen {
  if (at < window.from || at >= window.until || at <= (seen.eventAt ?? 0) || !breakdowns.has(event.type)) return seen;
  return { ...seen, eventAt: at, crashes: seen.crashes + 1 };
}

export type Beat = Pick<Heartbeat, "bootId" | "uptimeS" | "memory" | "power" | "counters">;

export function seeHeartbeat(seen: Seen, { beat, at }: { beat: Beat; at: number }, window: Window): Seen {
  if (at < window.from || at >= window.until || at <= (seen.beatAt ?? 0)) return seen;
  const restarted = seen.bootId !== undefined && beat.bootId !== seen.bootId;
  const after: Seen = { ...seen, beatAt: at, bootId: beat.bootId, restarts: seen.restarts + (restarted ? 1 : 0) };
  // A machine that has just started takes up memory, spends charge and catches up with the network, whatever it runs.
  const settled = at >= window.settledAt && beat.uptimeS * 1_000 >= window.settledAt - window.from;
  return settled ? seeVitals(after, { beat, at, restarted }, window) : after;
}

function seeVitals(
  seen: Seen,
  { beat, at, restarted }: { beat: Beat; at: number; restarted: boolean },
  { settledAt }: Window,
): Seen {
  const { memory, power, counters } = beat;
  const t = (at - settledAt) / hour;
  const [rx, tx] = [counters?.rx_bytes, counters?.tx_bytes];
  const onCharge = power?.source === "battery" || power?.source === "solar";
  return {
    ...seen,
    ...(memory ? { memory: addTo(seen.memory, t, memory.usedBytes) } : {}),
    ...(onCharge && power.level !== undefined ? { battery: addTo(seen.battery, t, power.level) } : {}),
    ...(rx !== undefined && tx !== undefined ? { data: countTo(seen.data, { t, total: rx + tx, restarted }) } : {}),
  };
}

const addTo = (line: Line | undefined, t: number, x: number): Line =>
  line === undefined
    ? { n: 1, t, x, tt: t * t, tx: t * x, from: t, to: t }
    : { n: line.n + 1, t: line.t + t, x: line.x + x, tt: line.tt + t * t, tx: line.tx + t * x, from: line.from, to: t };

/** Counters begin anew with each boot. */
function countTo(data: Count | undefined, { t, total, restarted }: { t: number; total: number; restarted: boolean }): Count {
  if (data === undefined) return { total: 0, last: total, from: t, to: t };
  const more = restarted || total < data.last ? total : total - data.last;
  return { ...data, total: data.total + more, last: total, to: t };
}

/**
 * What a guard goes by, the larger the worse; undefined where too little was seen. An hour's crashes and restarts; the share of the time
 * reachable, negative; growth of memory an hour, as a share of what is used; charge lost an hour; bytes an hour. Rounded, so that two
 * devices which differ by less than matters do equally well.
 */
export function measure(
  guard: GuardName,
  { seen, window, reachableMs }: { seen: Seen; window: Window; reachableMs: number },
): number | undefined {
  const length = window.until - window.from;
  if (length <= 0) return undefined;
  switch (guard) {
    case "crashes":
      return rounded(((seen.crashes + seen.restarts) * hour) / length, 1e-6);
    case "reachable":
      return rounded(-Math.min(1, reachableMs / length), 1e-3);
    case "memory": {
      const { memory } = seen;
      const slope = memory && slopeOf(memory, window);
      return memory === undefined || slope === undefined ? undefined : rounded(slope / Math.max(1, memory.x / memory.n), 1e-4);
    }
    case "battery": {
      const slope = seen.battery && slopeOf(seen.battery, window);
      return slope === undefined ? undefined : rounded(-slope, 1e-4);
    }
    case "data": {
      const { data } = seen;
      return data === undefined || !covers(data, window) ? undefined : rounded(data.total / (data.to - data.from), 1);
    }
  }
}

function slopeOf(line: Line, window: Window): number | undefined {
  if (line.n < 3 || !covers(line, window)) return undefined;
  const spread = line.n * line.tt - line.t * line.t;
  return spread <= 0 ? undefined : (line.n * line.tx - line.t * line.x) / spread;
}

/** What was seen must reach over half of the settled window at least: two samples side by side say nothing about an hour. */
const covers = ({ from, to }: { from: number; to: number }, { settledAt, until }: Window): boolean =>
  to - from > 0 && (to - from) * hour >= (until - settledAt) / 2;

const rounded = (value: number, step: number): number => Number((Math.round(value / step) * step).toPrecision(12)) + 0;
