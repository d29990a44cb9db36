import type { Column } from "./column.ts";

/** The columns as ClickHouse's RowBinary: row by row, little-endian, texts with a LEB128 length. Exact for every value, NaN included. */
export function rowBinary(columns: readonly Column[]): Buffer {
  const rows = columns[0]?.values.length ?? 0;
  const writers = columns.map(cellWriter);
  let out = Buffer.allocUnsafe(Math.max(1_024, rows * columns.length * 12));
  let at = 0;
  for (let row = 0; row < rows; row++) {
    for (const writer of writers) {
      const room = writer.bytes(row);
      if (at + room > out.length) out = Buffer.concat([out.subarray(0, at)], Math.max(out.length * 2, at + room));
      at = writer.write(out, at, row);
    }
  }
  return out.subarray(0, at);
}

type CellWriter = { bytes(row: number): number; write(out: Buffer, at: number, row: number): number };

function cellWriter(column: Column): CellWriter {
  switch (column.type) {
    case "u8":
      return { bytes: () => 1, write: (out, at, row) => out.writeUInt8(column.values[row] ?? 0, at) };
    case "u32":
      return { bytes: () => 4, write: (out, at, row) => out.writeUInt32LE(column.values[row] ?? 0, at) };
    case "u64":
      return { bytes: () => 8, write: (out, at, row) => out.writeBigUInt64LE(column.values[row] ?? 0n, at) };
    case "i64":
      return { bytes: () => 8, write: (out, at, row) => out.writeBigInt64LE(column.values[row] ?? 0n, at) };
    case "f64":
      return { bytes: () => 8, write: (out, at, row) => out.writeDoubleLE(column.values[row] ?? 0, at) };
    case "ms":
      return { bytes: () => 8, write: (out, at, row) => out.writeBigInt64LE(BigInt(column.values[row] ?? 0), at) };
    case "utf8":
      return textWriter((row) => Buffer.from(column.values[row] ?? ""));
    case "dictionary": {
      const texts = column.texts.map((text) => Buffer.from(text));
      return textWriter((row) => texts[column.values[row] ?? 0] ?? Buffer.alloc(0));
    }
  }
}

const longestLength = 5;

function textWriter(textOf: (row: number) => Buffer): CellWriter {
  return {
    bytes: (row) => textOf(row).length + longestLength,
    write(out, at, row) {
      const text = textOf(row);
      let rest = text.length;
      let end = at;
      for (; rest > 127; rest >>>= 7) end = out.writeUInt8((rest & 127) | 128, end);
      end = out.writeUInt8(rest, end);
      return end + text.copy(out, end);
    },
  };
}
