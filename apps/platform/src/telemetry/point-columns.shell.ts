import { type Column, type Texts, textsOf, wholeNumbers } from "../kernel/index.ts";
import { asFloat, decimalPlaces, digitsOf } from "./decimal.ts";
import type { Item } from "./intake.shell.ts";
import { type Points, type Shape, sourceAt, timeAt } from "./point.ts";

/** The points of a batch as the store takes them, a row each; `item` says from which message of the batch a row is. */
export type PointColumns = { rows: number; columns: readonly Column[]; ts: Float64Array; item: Uint32Array };

/** Rows in the order of the messages, and within a message of its points: the same batch gives the same rows, for ever. */
export function columnsOf(batch: readonly Item<Points>[]): PointColumns {
  const rows = batch.reduce((sum, { value }) => sum + value.values.length, 0);
  const [ts, source, item] = [new Float64Array(rows), new Uint8Array(rows), new Uint32Array(rows)];
  const [values, delay] = [valuesOf(rows), wholeNumbers(rows)];
  const [fleet, device, metric, unit, text] = [textsOf(rows), textsOf(rows), textsOf(rows), textsOf(rows), textsOf(rows)];
  const noText = text.placeOf("");
  const placesOf = shapePlaces(metric, unit);
  let row = 0;
  for (let nth = 0; nth < batch.length; nth++) {
    // `nth` is below the length.
    const { message, value: points } = batch[nth] as Item<Points>;
    const { shape } = points;
    const [inFleet, ofDevice, named] = [fleet.placeOf(message.scope.fleet), device.placeOf(message.device), placesOf(shape)];
    const receivedAt = Math.round(message.receivedAt);
    for (let place = 0; place < points.values.length; place++, row++) {
      const v = points.values[place] ?? Number.NaN;
      const at = timeAt(points, place);
      item[row] = nth;
      fleet.places[row] = inFleet;
      device.places[row] = ofDevice;
      metric.places[row] = named.metrics[place] ?? 0;
      unit.places[row] = named.units[place] ?? 0;
      text.places[row] = typeof v === "string" ? text.placeOf(v) : noText;
      ts[row] = at;
      values.set(row, v);
      source[row] = sourceAt(points, place) === "device" ? 0 : 1;
      delay.set(row, receivedAt - at);
    }
  }
  const columns: Column[] = [
    fleet.column("fleet"),
    metric.column("metric"),
    device.column("device"),
    { name: "ts", type: "ms", values: ts },
    ...values.columns,
    text.column("text"),
    unit.column("unit"),
    { name: "time_source", type: "u8", values: source },
    { name: "delay_ms", type: "i64", values: delay.values },
  ];
  return { rows, columns, ts, item };
}

/** The columns of which the table makes `value`. What one of them does not need is 0, which takes no bytes. */
function valuesOf(rows: number) {
  const [float, digits, places] = [new Float64Array(rows), wholeNumbers(rows), new Uint8Array(rows)];
  const columns: readonly Column[] = [
    { name: "float", type: "f64", values: float },
    { name: "digits", type: "i64", values: digits.values },
    { name: "places", type: "u8", values: places },
  ];
  const set = (row: number, v: number | string): void => {
    const decimals = typeof v === "string" ? asFloat : decimalPlaces(v);
    places[row] = decimals;
    if (typeof v === "string") float[row] = Number.NaN;
    else if (decimals === asFloat) float[row] = v;
    else digits.set(row, digitsOf(v, decimals));
  };
  return { columns, set };
}

/** Where the names of a shape stand in the columns' lists of texts: looked up once a shape. */
function shapePlaces(metric: Texts, unit: Texts) {
  const known = new Map<Shape, { metrics: Uint32Array; units: Uint32Array }>();
  return (shape: Shape) => {
    const found = known.get(shape);
    if (found) return found;
    const places = {
      metrics: Uint32Array.from(shape.metrics, (name) => metric.placeOf(name)),
      units: Uint32Array.from(shape.units, (name) => unit.placeOf(name)),
    };
    known.set(shape, places);
    return places;
  };
}

/** The columns with these rows only, in this order. */
export function pickRows({ rows, columns }: PointColumns, wanted: readonly number[]): readonly Column[] {
  return wanted.length === rows ? columns : columns.map((column) => pickFrom(column, wanted));
}

function pickFrom(column: Column, wanted: readonly number[]): Column {
  switch (column.type) {
    case "u8":
      return { ...column, values: Uint8Array.from(wanted, (row) => column.values[row] ?? 0) };
    case "u32":
    case "dictionary":
      return { ...column, values: Uint32Array.from(wanted, (row) => column.values[row] ?? 0) };
    case "u64":
      return { ...column, values: BigUint64Array.from(wanted, (row) => column.values[row] ?? 0n) };
    case "i64":
      return { ...column, values: BigInt64Array.from(wanted, (row) => column.values[row] ?? 0n) };
    case "f64":
    case "ms":
      return { ...column, values: Float64Array.from(wanted, (row) => column.values[row] ?? 0) };
    case "utf8":
      return { ...column, values: wanted.map((row) => column.values[row] ?? "") };
  }
}
