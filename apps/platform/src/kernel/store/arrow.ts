import { type Column, wholeNumbers } from "./column.ts";

/** What chdb's `_arrowRegisterColumns` takes: an Arrow C format letter, and the buffers as Arrow lays them out. */
export type ArrowColumn = {
  name: string;
  format: "C" | "I" | "L" | "l" | "g" | "u";
  length: number;
  nullCount: 0;
  buffers: (Buffer | null)[];
};

/** The columns in Arrow's layout, without nulls and without those that `selected` names by themselves. Numbers are not copied. */
export const arrowColumns = (columns: readonly Column[]): ArrowColumn[] =>
  columns.filter((column) => constantOf(column) === undefined).map(arrowColumn);

function arrowColumn(column: Column): ArrowColumn {
  const part = { name: column.name, length: column.values.length, nullCount: 0 as const };
  switch (column.type) {
    case "u8":
      return { ...part, format: "C", buffers: [null, bytesOf(column.values)] };
    case "u32":
      return { ...part, format: "I", buffers: [null, bytesOf(column.values)] };
    case "u64":
      return { ...part, format: "L", buffers: [null, bytesOf(column.values)] };
    case "i64":
      return { ...part, format: "l", buffers: [null, bytesOf(column.values)] };
    case "f64":
      return { ...part, format: "g", buffers: [null, bytesOf(column.values)] };
    case "ms": {
      const words = wholeNumbers(column.values.length);
      for (const [row, at] of column.values.entries()) words.set(row, at);
      return { ...part, format: "l", buffers: [null, bytesOf(words.values)] };
    }
    case "utf8":
      return { ...part, format: "u", buffers: [null, ...utf8({ texts: column.values })] };
    case "dictionary":
      return { ...part, format: "u", buffers: [null, ...utf8({ texts: column.texts, places: column.values })] };
  }
}

const bytesOf = (values: ArrayBufferView): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/** Arrow's Utf8: N+1 offsets of 32 bits, then all bytes one after the other. Without `places` each text stands once. */
function utf8({ texts, places }: { texts: readonly string[]; places?: Uint32Array }): [Buffer, Buffer] {
  const encoded = texts.map((text) => Buffer.from(text));
  const rows = places?.length ?? texts.length;
  const offsets = new Int32Array(rows + 1);
  let end = 0;
  for (let row = 0; row < rows; row++) {
    end += (encoded[places?.[row] ?? row] ?? empty).length;
    if (end > 0x7fffffff) throw new Error("A text column of one insert may hold at most 2 GiB.");
    offsets[row + 1] = end;
  }
  const bytes = Buffer.allocUnsafe(end);
  for (let row = 0; row < rows; row++) copy(encoded[places?.[row] ?? row] ?? empty, bytes, offsets[row] ?? 0);
  return [bytesOf(offsets), bytes];
}

const empty = Buffer.alloc(0);

/** Byte by byte: the texts are short, and a call into the runtime for each would cost more than the bytes. */
function copy(text: Buffer, into: Buffer, at: number): void {
  if (text.length > 64) into.set(text, at);
  else for (let i = 0; i < text.length; i++) into[at + i] = text[i] ?? 0;
}

/** The text that a column holds in every row, where it may stand in SQL as it is: what devices wrote never does. */
export function constantOf(column: Column): string | undefined {
  const [text, ...more] = column.type === "dictionary" ? column.texts : [];
  return text !== undefined && more.length === 0 && /^[A-Za-z0-9._-]{0,64}$/.test(text) ? text : undefined;
}

/** How a column is read back from `arrowstream(…)` in the INSERT … SELECT; one that is the same in all rows is not sent at all. */
export function selected(column: Column): string {
  const constant = constantOf(column);
  if (constant !== undefined) return `'${constant}'`;
  return column.type === "ms" ? `fromUnixTimestamp64Milli(${column.name}, 'UTC')` : column.name;
}
