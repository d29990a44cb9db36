import { Refused } from "./errors.ts";
import { type MeasuredPoint, pointCollector, shown } from "./point.ts";

/** `{"temperature":21.5,"door":true,"ts":1700000000000}`: every key a metric, but `ts`: milliseconds since 1970 or RFC 3339. */
export function resolveFlat(members: Record<string, unknown>, receivedAt: number): MeasuredPoint[] {
  const collector = pointCollector(receivedAt);
  const time = timeOf(members);
  for (const [metric, value] of Object.entries(members)) {
    if (!reserved.has(metric)) collector.add({ metric, v: readValue(metric, value), time });
  }
  if (collector.points.length === 0) throw new Refused("value_missing", "The object has no value.");
  return collector.points;
}

/** The time, and what the device counts its messages by. */
const reserved: ReadonlySet<string> = new Set(["ts", "_seq", "_boot"]);

function readValue(metric: string, value: unknown): number | string {
  switch (typeof value) {
    case "number":
    case "string":
      return value;
    case "boolean":
      return value ? 1 : 0;
    default: {
      const what = value === null ? "null" : Array.isArray(value) ? "a list" : "an object";
      throw new Refused(
        "value_unsupported",
        `"${shown(metric)}" is ${what}; a value is a number, a text, true or false. Give each inner value a key of its own, or leave it out.`,
      );
    }
  }
}

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

function timeOf(members: Record<string, unknown>): number | undefined {
  if (!Object.hasOwn(members, "ts")) return undefined;
  const { ts } = members;
  const time = typeof ts === "string" && rfc3339.test(ts) ? Date.parse(ts) : typeof ts === "number" ? ts : Number.NaN;
  if (!Number.isFinite(time))
    throw new Refused("time_invalid", '"ts" is neither milliseconds since 1970 nor a time such as 2026-01-31T12:00:00Z.');
  return time;
}
