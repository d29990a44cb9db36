/**
 * The extremes of a cell, with their moments: `min((value, time))` in words that the engine is fast at. It compares tuples as boxed values, one after the
 * other; whole numbers of 128 bits it compares at once. So a value and a time become one such
 * number, which sorts as the pair does, and the extreme of the numbers becomes a pair again. Of equal values the earliest is the lowest and the latest
 * the highest, so that a cell depends on its points alone and on no order of reading.
 */
type Pair = { value: string; at: string };

const signBit = "toUInt64(9223372036854775808)";
/** IEEE 754 sorts as whole numbers do once the sign of positive numbers and all bits of negative ones are turned. */
const ofFloat = (value: string) =>
  `bitXor(reinterpretAsUInt64(${value}), bitOr(reinterpretAsUInt64(bitShiftRight(reinterpretAsInt64(${value}), 63)), ${signBit}))`;
const toFloat = (bits: string) =>
  `reinterpretAsFloat64(bitXor(${bits}, if(bitTest(${bits}, 63), ${signBit}, toUInt64(18446744073709551615))))`;
const ofTime = (at: string) => `bitXor(reinterpretAsUInt64(toUnixTimestamp64Milli(${at})), ${signBit})`;
const toTime = (bits: string) => `fromUnixTimestamp64Milli(reinterpretAsInt64(bitXor(${bits}, ${signBit})), 'UTC')`;

const joined = (upper: string, lower: string) => `bitOr(bitShiftLeft(toUInt128(${upper}), 64), toUInt128(${lower}))`;
const upperOf = (both: string) => `toUInt64(bitShiftRight(${both}, 64))`;
const lowerOf = (both: string) => `reinterpretAsUInt64(${both})`;

const byValue = "Tuple(v Float64, at DateTime64(3, 'UTC'))";
const byTime = "Tuple(at DateTime64(3, 'UTC'), v Float64)";

function extreme(which: "min" | "max", { value, at }: Pair): string {
  const both = `${which}(${joined(ofFloat(value), ofTime(at))})`;
  return `CAST((${toFloat(upperOf(both))}, ${toTime(lowerOf(both))}), ${quoted(byValue)})`;
}

/** Of two values of one millisecond the larger one. */
function newest({ value, at }: Pair): string {
  const both = `max(${joined(ofTime(at), ofFloat(value))})`;
  return `CAST((${toTime(upperOf(both))}, ${toFloat(lowerOf(both))}), ${quoted(byTime)})`;
}

const quoted = (type: string) => `'${type.replaceAll("'", "\\'")}'`;

const point: Pair = { value: "p.value", at: "p.ts" };

/** The columns of a cell over points `p`, after its keys. */
export const cellOfPoints = `count() AS n, sum(p.value) AS total, ${extreme("min", point)} AS low, ${extreme("max", point)} AS high,
    ${newest(point)} AS last, max(p.unit) AS unit`;

/** The same over finer cells `c`. */
export const cellOfCells = `sum(c.n) AS n, sum(c.total) AS total, ${extreme("min", { value: "c.low.v", at: "c.low.at" })} AS low,
    ${extreme("max", { value: "c.high.v", at: "c.high.at" })} AS high, ${newest({ value: "c.last.v", at: "c.last.at" })} AS last, max(c.unit) AS unit`;
