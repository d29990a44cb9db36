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
    if (column.type === "dictionary") assertWithin(column);
  }
  return rows;
}

function assertWithin({ name, values, texts }: Column & { type: "dictionary" }): void {
  for (const place of values)
    if (place >= texts.length) throw new Error(`Column "${name}" points outside its ${texts.length} texts.`);
}

/** Table and column names stand in SQL as they are, so they may hold nothing else than letters, digits and `_`. */
export function assertIdentifier(name: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,63}(\.[A-Za-z_][A-Za-z0-9_]{0,63})?$/.test(name))
    throw new Error(`"${name}" is not a name that may stand in SQL.`);
  return name;
}

/** A text column that is being made: `places[row]` is set by whoever fills it, to what `placeOf` says of the row's text. */
export type Texts = {
  readonly places: Uint32Array;
  placeOf(text: string): number;
  column(name: string): Column;
};

export function textsOf(rows: number): Texts {
  const known = new Map<string, number>();
  const places = new Uint32Array(rows);
  return {
    places,
    placeOf(text) {
      const found = known.get(text);
      if (found !== undefined) return found;
      known.set(text, known.size);
      return known.size - 1;
    },
    column: (name) => ({ name, type: "dictionary", values: places, texts: [...known.keys()] }),
  };
}

/** A column of 64-bit integers, set from numbers: without a BigInt for each of them. */
export function wholeNumbers(rows: number): { values: BigInt64Array; set(row: number, value: number): void } {
  const values = new BigInt64Array(rows);
  const words = new Int32Array(values.buffer);
  return {
    values,
    set(row, value) {
      // Little-endian, as everything that Node runs on: the low word first. Two's complement comes out right for negative numbers too.
      words[2 * row] = value;
      words[2 * row + 1] = Math.floor(value / 0x1_0000_0000);
    },
  };
}
