/**
 * One column of an insert. `ms` holds milliseconds since 1970 for a DateTime64(3). `dictionary` is a text column written as places
 * in a short list of texts, because a batch names the same few devices and metrics thousands of times.
 */
export type Column =
  | { name: string; type: "u8"; values: Uint8Array }
  | { name: string; type: "u32"; values: Uint32Array }
  | { name: string; type: "u64"; values: BigUint64Array }
  | { name: string; type: "i64"; values: BigInt64Array }
  | { name: string; type: "f64"; values: Float64Array }
  | { name: string; type: "ms"; values: Float64Array }
  | { name: string; type: "utf8"; values: readonly string[] }
  | { name: string; type: "dictionary"; values: Uint32Array; texts: readonly string[] };

/** How many rows the columns hold. Throws when they disagree, name one thing twice or point outside a dictionary: a mistake of ours. */
export function countRows(columns: readonly Column[]): number {
  const rows = columns[0]?.values.length ?? 0;
  const names = new Set<string>();
  for (const column of columns) {
    assertIdentifier(column.name);
    if (names.has(column.name)) throw new Error(`Column "${column.name}" is given twice.`);
    names.add(column.name);
    if (column.values.length !== rows)
      throw new Error(`Column "${column.name}" has ${column.values.length} rows, the first has ${rows}.`);
    if (column.type === "dictionary" && column.values.some((place) => place >= column.texts.length)) {
      throw new Error(`Column "${column.name}" points outside its ${column.texts.length} texts.`);
    }
  }
  return rows;
}

/** Table and column names stand in SQL as they are, so they may hold nothing else than letters, digits and `_`. */
export function assertIdentifier(name: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,63}(\.[A-Za-z_][A-Za-z0-9_]{0,63})?$/.test(name))
    throw new Error(`"${name}" is not a name that may stand in SQL.`);
  return name;
}

/** Builds a dictionary column row by row. */
export function dictionaryColumn(name: string): { add(text: string): void; column(): Column } {
  const places = new Map<string, number>();
  const rows: number[] = [];
  return {
    add(text) {
      const place = places.get(text) ?? places.size;
      if (place === places.size) places.set(text, place);
      rows.push(place);
    },
    column: () => ({ name, type: "dictionary", values: Uint32Array.from(rows), texts: [...places.keys()] }),
  };
}
