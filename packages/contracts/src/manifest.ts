import { defineProblems, type Problem } from "@tenfold/base";
import type { z } from "zod";
import { manifestEntry } from "./api/enrollments.ts";

export type ManifestEntry = z.infer<typeof manifestEntry>;

export const manifestProblems = defineProblems({
  /** A row or field of the manifest is not what it should be; the message begins with its place. */
  manifest_invalid: 422,
});

const mostShown = 5;
const example = "serial,model,tag:site";

/**
 * Reads a manifest of expected devices: CSV with a header (`serial`, `model`, `tag:NAME` …; RFC 4180 quotes; comma or semicolon), or JSON
 * (an array of entries, or `{ "entries": [...] }`). Throws `manifest_invalid` that names the first wrong rows, counted as an editor counts lines.
 */
export function parseManifest(text: string): ManifestEntry[] {
  const plain = text.replace(/^\ufeff/, "");
  const rows = /^\s*[[{]/.test(plain) ? fromJson(plain) : fromCsv(plain);
  if (rows.length === 0) throw invalid("the manifest is empty", "file");
  const faults: string[] = [];
  const seen = new Map<string, string>();
  const entries = rows.flatMap(({ where, value }) => {
    const parsed = manifestEntry.safeParse(value);
    if (!parsed.success) faults.push(`${where}: ${describe(parsed.error)}`);
    else if (seen.has(parsed.data.serial))
      faults.push(`${where}: serial "${parsed.data.serial}" stands in ${seen.get(parsed.data.serial)} too`);
    else seen.set(parsed.data.serial, where);
    return parsed.success ? [parsed.data] : [];
  });
  if (faults.length === 0) return entries;
  const more = faults.length > mostShown ? `; and ${faults.length - mostShown} more` : "";
  throw invalid(faults.slice(0, mostShown).join("; ") + more, faults[0]?.split(":")[0] ?? "file");
}

type Row = { where: string; value: unknown };

const invalid = (what: string, field: string, cause?: unknown): Problem =>
  manifestProblems.manifest_invalid(`The manifest cannot be imported: ${what}.`, {
    field,
    fix: `CSV begins with a header: ${example}`,
    cause,
  });

function describe(error: z.ZodError): string {
  const [first] = error.issues;
  const field = first?.path.join(".") ?? "";
  return field === "" ? (first?.message ?? "unreadable") : `${field}: ${first?.message ?? "unreadable"}`;
}

function fromJson(text: string): Row[] {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw invalid(`it begins like JSON but is none (${cause instanceof Error ? cause.message : "unreadable"})`, "file", cause);
  }
  const wrapped =
    typeof document === "object" && document !== null && !Array.isArray(document) && "entries" in document
      ? document.entries
      : document;
  if (!Array.isArray(wrapped)) throw invalid("its JSON is neither a list of entries nor an object with a list `entries`", "file");
  return wrapped.map((value: unknown, i) => ({ where: `entry ${i + 1}`, value }));
}

function fromCsv(text: string): Row[] {
  const [head, ...records] = readRecords(text);
  if (head === undefined) return [];
  const columns = head.cells.map((cell) => cell.trim());
  const unknown = columns.find((column) => column !== "serial" && column !== "model" && !/^tag:.+/.test(column));
  if (unknown !== undefined)
    throw invalid(`row ${head.line}: there is no column "${unknown}" (there are: serial, model, tag:NAME)`, `row ${head.line}`);
  if (!columns.includes("serial")) throw invalid(`row ${head.line}: the header has no column "serial"`, `row ${head.line}`);
  if (new Set(columns).size < columns.length) throw invalid(`row ${head.line}: a column stands twice`, `row ${head.line}`);
  return records.map(({ line, cells }) => {
    if (cells.length !== columns.length)
      throw invalid(`row ${line}: it has ${cells.length} cells, the header has ${columns.length}`, `row ${line}`);
    return { where: `row ${line}`, value: entryFrom(columns, cells) };
  });
}

/** An empty cell says nothing: no model, no such tag. */
function entryFrom(columns: readonly string[], cells: readonly string[]): unknown {
  const given = columns
    .map((column, i) => [column, (cells[i] ?? "").trim()] as const)
    .filter(([column, cell]) => cell !== "" || column === "serial");
  const tags = given.filter(([column]) => column.startsWith("tag:")).map(([column, cell]) => [column.slice(4), cell] as const);
  const plain = Object.fromEntries(given.filter(([column]) => !column.startsWith("tag:")));
  return tags.length === 0 ? plain : { ...plain, tags: Object.fromEntries(tags) };
}

type CsvRecord = { line: number; cells: string[] };

/** [RFC 4180] Cells may be quoted and then hold separators, line breaks and doubled quotes. Empty lines are passed over. */
function readRecords(text: string): CsvRecord[] {
  const separator = separatorOf(text);
  const records: CsvRecord[] = [];
  let line = 1;
  for (let at = 0; at < text.length; ) {
    const record = readRecord(text, { at, line, separator });
    if (record.cells.length > 1 || record.cells[0]?.trim() !== "") records.push({ line, cells: record.cells });
    line += text.slice(at, record.next).split("\n").length - 1;
    at = record.next;
  }
  return records;
}

const separatorOf = (text: string): string => {
  const header = text.split("\n", 1)[0] ?? "";
  return header.includes(";") && !header.includes(",") ? ";" : ",";
};

function readRecord(text: string, from: { at: number; line: number; separator: string }): { cells: string[]; next: number } {
  const cells: string[] = [];
  for (let at = from.at; ; ) {
    const { cell, next } = readCell(text, { ...from, at });
    cells.push(cell);
    if (text[next] === from.separator) at = next + 1;
    else return { cells, next: text.startsWith("\r\n", next) ? next + 2 : next + 1 };
  }
}

function readCell(
  text: string,
  { at, line, separator }: { at: number; line: number; separator: string },
): { cell: string; next: number } {
  if (text[at] !== '"') {
    let end = at;
    while (end < text.length && text[end] !== separator && text[end] !== "\n" && !text.startsWith("\r\n", end)) end++;
    return { cell: text.slice(at, end), next: end };
  }
  for (let end = at + 1; end < text.length; end++) {
    if (text[end] !== '"') continue;
    if (text[end + 1] === '"') end++;
    else return { cell: text.slice(at + 1, end).replaceAll('""', '"'), next: end + 1 };
  }
  throw invalid(`row ${line}: a quote is not closed`, `row ${line}`);
}
