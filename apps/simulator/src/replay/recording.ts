import type { Sample } from "@tenfold/device";

/** One line of a recording: when, by whom, and what was measured. `at` is the recording's own time in milliseconds. */
export type Row = { readonly line: number; readonly series: string; readonly at: number; readonly values: readonly Sample[] };

/** A line that is no reading: told to the caller with its number, never dropped in silence. */
export type Malformed = { readonly line: number; readonly reason: string; readonly text: string };

export type Recording = {
  readonly format: "singlehop" | "library" | "nab";
  /** In the file's order. */
  readonly rows: readonly Row[];
  readonly malformed: readonly Malformed[];
  /** Lines before the first reading. */
  readonly headerLines: number;
  readonly blankLines: number;
};

type ReadLine = (text: string, line: number) => Row | { reason: string };

/** Goes through a text line by line. What stands before the first reading is its head; what is no reading after that is malformed. */
export function readLines(format: Recording["format"], text: string, read: ReadLine): Recording {
  const rows: Row[] = [];
  const malformed: Malformed[] = [];
  let [headerLines, blankLines] = [0, 0];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") {
      blankLines += 1;
      continue;
    }
    const row = read(line, i + 1);
    if (!("reason" in row)) rows.push(row);
    else if (rows.length === 0 && !/^\d/.test(line)) headerLines += 1;
    else malformed.push({ line: i + 1, reason: row.reason, text: line.slice(0, 120) });
  }
  return { format, rows, malformed, headerLines, blankLines };
}

/** A number with a decimal point; undefined for everything else, the empty text included. */
export const decimal = (text: string): number | undefined =>
  /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : undefined;
/** A number with a decimal comma. */
export const commaDecimal = (text: string): number | undefined =>
  /^-?\d+(,\d+)?$/.test(text) ? Number(text.replace(",", ".")) : undefined;
