import { type Column, countRows } from "./column.ts";
import { quoted } from "./sql.ts";

/** Up to so many texts of a column, the search for rows that are there already names them, so that the table's order narrows it down. */
const namedTexts = 2_000;

/**
 * The condition of an `INSERT … SELECT … WHERE` that lets only those rows pass which the table does not hold yet, every column compared by its
 * bytes. `selected` says how each column is read where the new rows come from; `table` has the same columns under their own names.
 */
export function onlyMissing(
  { table, columns }: { table: string; columns: readonly Column[] },
  selected: (column: Column) => string,
): string {
  if (countRows(columns) === 0) return "1";
  const stored = columns.map(({ name }) => name).join(", ");
  const within = columns.flatMap(boundsOf).join(" AND ") || "1";
  return `sipHash128(${columns.map(selected).join(", ")}) NOT IN (SELECT sipHash128(${stored}) FROM ${table} WHERE ${within})`;
}

/** What any stored row that equals a new one must satisfy. */
function boundsOf(column: Column): string[] {
  if (column.type === "ms") {
    const [least, most] = column.values.reduce(
      ([low, high], at) => [Math.min(low, at), Math.max(high, at)],
      [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    );
    return [`${column.name} >= ${timeOf(least)} AND ${column.name} <= ${timeOf(most)}`];
  }
  if (column.type !== "dictionary" || column.texts.length > namedTexts) return [];
  const texts = column.texts.map(quoted);
  return texts.reduce((bytes, { length }) => bytes + length, 0) > 1 << 20 ? [] : [`${column.name} IN (${texts.join(", ")})`];
}

const timeOf = (ms: number): string => `fromUnixTimestamp64Milli(toInt64(${Math.trunc(ms)}), 'UTC')`;
