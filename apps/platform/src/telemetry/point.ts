import { Refused } from "./errors.ts";
import { eventTime, type TimeSource } from "./event-time.ts";

/** One measurement. `v` is a finite number, or a text; true and false are 1 and 0. Times are milliseconds since 1970. */
export type MeasuredPoint = { metric: string; v: number | string; unit: string; at: number; timeSource: TimeSource };

/** What the messages of one kind of device have in common. The same object for as many messages as possible, so that what is known of it is looked up once. */
export type Shape = { readonly metrics: readonly string[]; readonly units: readonly string[] };

/** The points of one message, a column each. `at` and `timeSource` are one for all points, or one each. */
export type Points = {
  readonly shape: Shape;
  readonly values: readonly (number | string)[];
  readonly at: number | readonly number[];
  readonly timeSource: TimeSource | readonly TimeSource[];
};

/** When the point at this place was measured. */
export const timeAt = ({ at }: Points, place: number): number => (typeof at === "number" ? at : (at[place] ?? Number.NaN));

export const sourceAt = ({ timeSource }: Points, place: number): TimeSource =>
  typeof timeSource === "string" ? timeSource : (timeSource[place] ?? "received");

export const newestOf = ({ at }: Points): number => (typeof at === "number" ? at : Math.max(...at));

export const pointsOf = (list: readonly MeasuredPoint[]): Points => ({
  shape: { metrics: list.map(({ metric }) => metric), units: list.map(({ unit }) => unit) },
  values: list.map(({ v }) => v),
  at: list.map(({ at }) => at),
  timeSource: list.map(({ timeSource }) => timeSource),
});

export const listOf = (points: Points): MeasuredPoint[] =>
  points.values.map((v, place) => ({
    metric: points.shape.metrics[place] ?? "",
    v,
    unit: points.shape.units[place] ?? "",
    at: timeAt(points, place),
    timeSource: sourceAt(points, place),
  }));

export const limits = { payloadBytes: 256 * 1024, points: 10_000, metricChars: 200, textChars: 4_096, unitChars: 64 } as const;

/** What a decoder collects; each `add` checks one point against the limits. Throws Refused. */
export function pointCollector(receivedAt: number) {
  const points: MeasuredPoint[] = [];
  return {
    points,
    add({ metric, v, unit = "", time }: { metric: string; v: number | string; unit?: string; time: number | undefined }): void {
      if (points.length >= limits.points)
        throw new Refused("too_many_points", `A message may have at most ${limits.points} points.`);
      assertMetric(metric);
      if (typeof v === "number" && !Number.isFinite(v))
        throw new Refused("value_not_finite", `The value of "${shown(metric)}" is not a finite number.`);
      if (typeof v === "string" && v.length > limits.textChars)
        throw new Refused("text_too_long", `The text of "${shown(metric)}" has more than ${limits.textChars} characters.`);
      if (unit.length > limits.unitChars)
        throw new Refused("unit_invalid", `The unit of "${shown(metric)}" has more than ${limits.unitChars} characters.`);
      // -0 becomes 0: they are equal, and only one of them survives every format.
      points.push({
        metric,
        v: typeof v === "number" ? v + 0 : v.toWellFormed(),
        unit: unit.toWellFormed(),
        ...eventTime(time, receivedAt),
      });
    },
  };
}

function assertMetric(metric: string): void {
  if (metric.length === 0) throw new Refused("metric_invalid", "A metric has no name.");
  if (metric.length > limits.metricChars)
    throw new Refused("metric_invalid", `The metric name "${shown(metric)}" has more than ${limits.metricChars} characters.`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused.
  if (/[\u0000-\u001f\u007f]/.test(metric) || !metric.isWellFormed())
    throw new Refused("metric_invalid", `The metric name "${shown(metric)}" has characters that cannot be shown.`);
}

/** A name from a payload, short enough and safe to stand in a message. */
export const shown = (text: string): string => JSON.stringify(text.slice(0, 60)).slice(1, -1) + (text.length > 60 ? "…" : "");
