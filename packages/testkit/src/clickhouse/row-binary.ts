/** Reads ClickHouse's RowBinary into Arrow columns, so that a stranger's bytes never reach chdb's own parsers of raw inserts. */

export type ArrowColumn = { name: string; format: string; length: number; nullCount: 0; buffers: (Buffer | null)[] };

/** How a column type lies in RowBinary and in Arrow, and how it is read back. */
type Kind = { format: "C" | "S" | "I" | "L" | "l" | "g" | "u"; bytes: number; select: (name: string) => string };

const asItIs = (name: string) => name;
const kinds: Record<string, Kind> = {
  UInt8: { format: "C", bytes: 1, select: asItIs },
  UInt16: { format: "S", bytes: 2, select: asItIs },
  UInt32: { format: "I", bytes: 4, select: asItIs },
  UInt64: { format: "L", bytes: 8, select: asItIs },
  Int64: { format: "l", bytes: 8, select: asItIs },
  Float64: { format: "g", bytes: 8, select: asItIs },
  String: { format: "u", bytes: 0, select: asItIs },
};

function kindOf(type: string): Kind {
  const plain = /^LowCardinality\((.*)\)$/.exec(type)?.[1] ?? type;
  if (plain.startsWith("Enum8(")) return { format: "C", bytes: 1, select: asItIs };
  if (plain.startsWith("DateTime64(3"))
    return { format: "l", bytes: 8, select: (name) => `fromUnixTimestamp64Milli(${name}, 'UTC')` };
  const kind = kinds[plain];
  if (kind === undefined) throw new Error(`This front does not read columns of the type ${type}.`);
  return kind;
}

export function readRowBinary(
  body: Buffer,
  columns: readonly { name: string; type: string }[],
): { columns: ArrowColumn[]; selects: string[]; rows: number } {
  const kindsOf = columns.map(({ type }) => kindOf(type));
  const cells: Buffer[][] = columns.map(() => []);
  let at = 0;
  let rows = 0;
  for (; at < body.length; rows++) {
    for (const [place, kind] of kindsOf.entries()) {
      let length = kind.bytes;
      if (kind.format === "u") [length, at] = readLength(body, at);
      if (at + length > body.length) throw new Error("The rows end in the middle of a value.");
      cells[place]?.push(body.subarray(at, at + length));
      at += length;
    }
  }
  return {
    rows,
    selects: columns.map(({ name }, place) => kindsOf[place]?.select(name) ?? name),
    columns: columns.map(({ name }, place) => ({
      name,
      format: kindsOf[place]?.format ?? "u",
      length: rows,
      nullCount: 0,
      buffers: buffersOf(kindsOf[place]?.format ?? "u", cells[place] ?? []),
    })),
  };
}

function readLength(body: Buffer, from: number): [length: number, at: number] {
  let length = 0;
  for (let at = from, shift = 0; ; at++, shift += 7) {
    const byte = body[at];
    if (byte === undefined || shift > 28) throw new Error("The rows have a length that cannot be read.");
    length += (byte & 127) * 2 ** shift;
    if (byte < 128) return [length, at + 1];
  }
}

function buffersOf(format: string, cells: readonly Buffer[]): (Buffer | null)[] {
  const bytes = Buffer.concat(cells);
  if (format !== "u") return [null, bytes];
  const offsets = new Int32Array(cells.length + 1);
  for (const [row, cell] of cells.entries()) offsets[row + 1] = (offsets[row] ?? 0) + cell.length;
  return [null, Buffer.from(offsets.buffer), bytes];
}
