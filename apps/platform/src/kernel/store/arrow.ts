import type { Column } from "./column.ts";

/** What chdb's `_arrowRegisterColumns` takes: an Arrow C format letter, and the buffers as Arrow lays them out. */
export type ArrowColumn = {
  name: string;
  format: "C" | "I" | "L" | "l" | "g" | "u";
  length: number;
  nullCount: 0;
  buffers: (Buffer | null)[];
};

/** The columns in Arrow's layout, without nulls. Numbers are not copied. */
export const arrowColumns = (columns: readonly Column[]): ArrowColumn[] => columns.map(arrowColumn);

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
    case "ms":
      return { ...part, format: "l", buffers: [null, bytesOf(BigInt64Array.from(column.values, BigInt))] };
    case "utf8":
      return { ...part, format: "u", buffers: [null, ...utf8(column.values.map((text) => Buffer.from(text)))] };
    case "dictionary": {
      const texts = column.texts.map((text) => Buffer.from(text));
      return { ...part, format: "u", buffers: [null, ...utf8(Array.from(column.values, (place) => texts[place] ?? empty))] };
    }
  }
}

const empty = Buffer.alloc(0);

const bytesOf = (values: ArrayBufferView): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/** Arrow's Utf8: N+1 offsets of 32 bits, then all bytes one after the other. */
function utf8(texts: readonly Buffer[]): [Buffer, Buffer] {
  const offsets = new Int32Array(texts.length + 1);
  let end = 0;
  for (const [row, text] of texts.entries()) {
    end += text.length;
    if (end > 0x7fffffff) throw new Error("A text column of one insert may hold at most 2 GiB.");
    offsets[row + 1] = end;
  }
  return [bytesOf(offsets), Buffer.concat(texts, end)];
}

/** How a column is read back from `arrowstream(…)` in the INSERT … SELECT. */
export const selected = (column: Column): string =>
  column.type === "ms" ? `fromUnixTimestamp64Milli(${column.name}, 'UTC')` : column.name;
