/** At most this many rows an insert: far below the engine's block of 1,048,576, so that a piece is one block and therefore atomic. */
const rowsAPiece = 200_000;

export type Piece<Row> = { rows: Row[]; suffix: string };

/**
 * Splits a batch so that each piece lies in one partition (a month) and in one block. The same batch gives the same pieces with the same
 * suffixes, for ever: with the batch's token they are the pieces' tokens.
 */
export function piecesOf<Row>(rows: readonly Row[], timeOf: (row: Row) => number): Piece<Row>[] {
  const months = new Map<string, Row[]>();
  let list: Row[] = [];
  let [until, from] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const row of rows) {
    const at = timeOf(row);
    if (at >= until || at < from) {
      const date = new Date(at);
      const month = date.toISOString().slice(0, 7);
      list = months.get(month) ?? [];
      months.set(month, list);
      [from, until] = [
        Date.UTC(date.getUTCFullYear(), date.getUTCMonth()),
        Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1),
      ];
    }
    list.push(row);
  }
  return [...months].flatMap(([name, list]) =>
    Array.from({ length: Math.ceil(list.length / rowsAPiece) }, (_, i) => ({
      rows: list.slice(i * rowsAPiece, (i + 1) * rowsAPiece),
      suffix: `${name}.${i}`,
    })),
  );
}
