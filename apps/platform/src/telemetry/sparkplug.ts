import { Refused } from "./errors.ts";
import { limits, type MeasuredPoint, pointCollector, shown } from "./point.ts";
import { bytesField, bytesIn, type Field, fieldsOf, integerIn, textIn, varint } from "./protobuf.ts";

/** A payload of Sparkplug B begins with one of its five fields; no other form that is taken begins with such a byte. */
export const beginsSparkplug = (first: number | undefined): boolean => first !== undefined && firstBytes.has(first);
const firstBytes: ReadonlySet<number> = new Set([0x08, 0x12, 0x18, 0x22, 0x2a]);

/** What an alias stands for. */
export type Named = { name: string; datatype: number };
export type Aliases = Map<bigint, Named>;

/** Aliases that one connection may set. */
export const mostAliases = 2_000;

type Metric = {
  name: string | undefined;
  alias: bigint | undefined;
  timestamp: bigint | undefined;
  datatype: number | undefined;
  isNull: boolean;
  value: Field | undefined;
};

/** The points of a payload whose metrics have names [Sparkplug 3.0, 6.4]. */
export function resolveSparkplug(payload: Buffer, receivedAt: number): MeasuredPoint[] {
  const fields = [...fieldsOf(payload)];
  const given = fields.findLast(({ number }) => number === 1);
  const collector = pointCollector(receivedAt);
  for (const field of fields) {
    if (field.number !== 2) continue;
    const metric = readMetric(bytesIn(field, 2));
    const v = readMetricValue(metric);
    const time = metric.timestamp ?? (given && integerIn(given));
    if (v !== undefined) collector.add({ metric: nameOf(metric), v, time: time === undefined ? undefined : Number(time) });
  }
  if (collector.points.length === 0) throw new Refused("value_missing", "The payload has no metric with a value.");
  return collector.points;
}

/**
 * The same payload, with the names and types of its aliases filled in, so that it means the same wherever it is read later. Notes the aliases
 * that it sets itself. What cannot be resolved stays as it is.
 */
export function nameAliases(payload: Buffer, known: Aliases): Buffer {
  const parts: Buffer[] = [];
  for (const field of fieldsOf(payload))
    parts.push((field.number === 2 && named(bytesIn(field, 2), known)) || payload.subarray(field.from, field.to));
  return Buffer.concat(parts);
}

/** A metric that has only an alias, with its name and type put before it; undefined where there is nothing to put. */
function named(bytes: Buffer, known: Aliases): Buffer | undefined {
  const { alias, name, datatype } = readMetric(bytes);
  if (alias === undefined) return undefined;
  if (name) {
    note(known, alias, { name, datatype: datatype ?? 0 });
    return undefined;
  }
  const found = known.get(alias);
  if (found === undefined) return undefined;
  const type = datatype === undefined ? Buffer.from([0x20, ...varint(BigInt(found.datatype))]) : Buffer.alloc(0);
  return bytesField(2, Buffer.concat([bytesField(1, Buffer.from(found.name)), type, bytes]));
}

function note(known: Aliases, alias: bigint, named: Named): void {
  if (named.name.length > limits.metricChars) return;
  if (known.has(alias) || known.size < mostAliases) known.set(alias, named);
}

function readMetric(bytes: Buffer): Metric {
  const metric: Metric = {
    name: undefined,
    alias: undefined,
    timestamp: undefined,
    datatype: undefined,
    isNull: false,
    value: undefined,
  };
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) metric.name = textIn(field);
    else if (field.number === 2) metric.alias = integerIn(field);
    else if (field.number === 3) metric.timestamp = integerIn(field);
    else if (field.number === 4) metric.datatype = Number(integerIn(field));
    else if (field.number === 7) metric.isNull = integerIn(field) !== 0n;
    else if (field.number >= 10 && field.number <= 19) metric.value = field;
  }
  return metric;
}

function nameOf({ name, alias }: Metric): string {
  if (name !== undefined && name !== "") return name;
  throw new Refused(
    "alias_unknown",
    alias === undefined
      ? "A metric has neither a name nor an alias."
      : `Alias ${alias} was not given a name on this connection; send the metric with its name and alias first (a birth).`,
  );
}

function readMetricValue(metric: Metric): number | string | undefined {
  const { value, datatype, isNull } = metric;
  if (isNull || value === undefined) return undefined;
  switch (value.number) {
    case 10:
    case 11:
      return integerOf(integerIn(value), datatype);
    case 12:
      return bytesIn(value, 5).readFloatLE();
    case 13:
      return bytesIn(value, 1).readDoubleLE();
    case 14:
      return integerIn(value) === 0n ? 0 : 1;
    case 15:
      return textIn(value);
    case 16:
      return bytesIn(value, 2).toString("base64url");
    default:
      throw new Refused(
        "value_unsupported",
        `"${shown(nameOf(metric))}" is a data set, a template or an extension; give each inner value a metric of its own.`,
      );
  }
}

/** Signed types travel as two's complement in an unsigned field [Sparkplug 3.0, 6.4.16]. */
const bitsOfSigned: Readonly<Record<number, number>> = { 1: 8, 2: 16, 3: 32, 4: 64 };

const integerOf = (integer: bigint, datatype = 0): number => {
  const bits = bitsOfSigned[datatype];
  return Number(bits === undefined ? integer : BigInt.asIntN(bits, integer));
};
