import type { Cbor } from "./cbor.ts";
import { Refused } from "./errors.ts";
import { type MeasuredPoint, pointCollector, shown } from "./point.ts";

/** A record with its labels as JSON spells them; `vd` as text. */
type RawRecord = ReadonlyMap<string, unknown>;

/** CBOR's integer labels [RFC 8428 §6, table 6]. */
const labels = new Map<number | string, string>([
  [-1, "bver"],
  [-2, "bn"],
  [-3, "bt"],
  [-4, "bu"],
  [-5, "bv"],
  [-6, "bs"],
  [0, "n"],
  [1, "u"],
  [2, "v"],
  [3, "vs"],
  [4, "vb"],
  [5, "s"],
  [6, "t"],
  [7, "ut"],
  [8, "vd"],
]);

const newestVersion = 10;
/** [RFC 8428 §4.5.3] Smaller times are relative to now. */
const relativeBelow = 2 ** 28;

export function recordsOfJson(items: readonly unknown[]): RawRecord[] {
  return items.map((item, at) => {
    if (typeof item !== "object" || item === null || Array.isArray(item))
      throw new Refused("record_invalid", `Record ${at} is not an object.`);
    return new Map(Object.entries(item));
  });
}

export function recordsOfCbor(pack: Cbor): RawRecord[] {
  if (!Array.isArray(pack)) throw new Refused("record_invalid", "A SenML pack is an array.");
  return pack.map((item, at) => {
    if (!(item instanceof Map)) throw new Refused("record_invalid", `Record ${at} is not a map.`);
    return new Map(
      [...item].map(([label, value]) => [
        labels.get(label) ?? String(label),
        value instanceof Uint8Array ? Buffer.from(value).toString("base64url") : value,
      ]),
    );
  });
}

type Base = { name: string; time: number; unit: string; value: number; sum: number };

/** The points of a pack, resolved: base fields hold for their own record and all later ones until they are given again [RFC 8428 §4.1]. */
export function resolveSenml(records: readonly RawRecord[], receivedAt: number): MeasuredPoint[] {
  const collector = pointCollector(receivedAt);
  let base: Base = { name: "", time: 0, unit: "", value: 0, sum: 0 };
  for (const [at, raw] of records.entries()) {
    const record = fieldsOf(raw, at);
    assertUnderstood(raw, at, record.number("bver"));
    base = baseOf(record, base);
    const v = readValue(record, at, base.value);
    const sum = record.number("s");
    if (v === undefined && sum === undefined && setsBaseOnly(raw, at)) continue;
    const metric = senmlName(base.name + (record.text("n") ?? ""), at);
    const unit = record.text("u") ?? base.unit;
    const time = absoluteTime(base.time + (record.number("t") ?? 0), receivedAt);
    if (v !== undefined) collector.add({ metric, v, unit, time });
    if (sum !== undefined) collector.add({ metric: `${metric}:sum`, v: base.sum + sum, unit, time });
  }
  if (collector.points.length === 0) throw new Refused("value_missing", "The pack has no value.");
  return collector.points;
}

function setsBaseOnly(raw: RawRecord, at: number): true {
  if (raw.has("n") || raw.has("t")) throw new Refused("value_missing", `Record ${at} has none of v, vs, vb, vd and s.`);
  return true;
}

const baseOf = (record: Fields, base: Base): Base => ({
  name: record.text("bn") ?? base.name,
  time: record.number("bt") ?? base.time,
  unit: record.text("bu") ?? base.unit,
  value: record.number("bv") ?? base.value,
  sum: record.number("bs") ?? base.sum,
});

type Fields = {
  number(label: string): number | undefined;
  text(label: string): string | undefined;
  flag(label: string): boolean | undefined;
  has(label: string): boolean;
};

function fieldsOf(raw: RawRecord, at: number): Fields {
  const read = <T>(label: string, fits: (value: unknown) => value is T, wanted: string): T | undefined => {
    const value = raw.get(label);
    if (value === undefined) return undefined;
    if (!fits(value))
      throw new Refused(
        label === "t" || label === "bt" ? "time_invalid" : "record_invalid",
        `Field "${label}" of record ${at} is not a ${wanted}.`,
      );
    return value;
  };
  return {
    has: (label) => raw.has(label),
    number: (label) =>
      read(
        label,
        (value): value is number => typeof value === "number" && (Number.isFinite(value) || label === "v"),
        "finite number",
      ),
    text: (label) => read(label, (value) => typeof value === "string", "text"),
    flag: (label) => read(label, (value) => typeof value === "boolean", "boolean"),
  };
}

function assertUnderstood(raw: RawRecord, at: number, version: number | undefined): void {
  if (version !== undefined && version > newestVersion)
    throw new Refused("version_unsupported", `SenML version ${version} is newer than ${newestVersion}.`);
  // [RFC 8428 §4.4] A field whose label ends in "_" must be understood, or the pack is refused.
  for (const label of raw.keys())
    if (label.endsWith("_"))
      throw new Refused("version_unsupported", `Record ${at} asks that "${shown(label)}" be understood, which it is not.`);
}

function readValue(record: Fields, at: number, baseValue: number): number | string | undefined {
  const given = ["v", "vs", "vb", "vd"].filter((label) => record.has(label));
  if (given.length > 1) throw new Refused("record_invalid", `Record ${at} has ${given.join(" and ")}; a record has one value.`);
  const v = record.number("v");
  if (v !== undefined) return baseValue + v;
  const flag = record.flag("vb");
  if (flag !== undefined) return flag ? 1 : 0;
  return record.text("vs") ?? record.text("vd");
}

/** [RFC 8428 §4.5.1] */
function senmlName(name: string, at: number): string {
  if (name === "") throw new Refused("metric_invalid", `Record ${at} has no name: neither "n" nor "bn".`);
  if (!/^[A-Za-z0-9][A-Za-z0-9\-:./_]*$/.test(name))
    throw new Refused(
      "metric_invalid",
      `The name "${shown(name)}" has characters other than letters, digits and - : . / _, or begins with a mark.`,
    );
  return name;
}

/** Milliseconds; undefined where the pack says "now". */
function absoluteTime(seconds: number, receivedAt: number): number | undefined {
  if (!Number.isFinite(seconds)) throw new Refused("time_invalid", "A time is not a finite number.");
  if (seconds === 0) return undefined;
  return seconds < relativeBelow ? receivedAt + seconds * 1_000 : seconds * 1_000;
}
