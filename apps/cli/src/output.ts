import { humanDuration } from "@tenfold/base";
import pico from "picocolors";

export type Cell = string | number | undefined;

/** Where results go. Human on a terminal, plain when piped, one JSON object with `--json`, one object a line with `--jsonl`. */
export type Output = {
  readonly form: "human" | "json" | "jsonl";
  readonly colors: ReturnType<typeof pico.createColors>;
  /** A list: a table for people, `{"items": […]}` or a line an item for programs. */
  list<Item>(items: readonly Item[], row: (item: Item) => Record<string, Cell>): void;
  /** One thing: the lines for people, the object for programs. */
  one(value: unknown, human: () => string[]): void;
  /** A line for people only. Goes to stderr, so that a pipe gets results alone. */
  note(line: string): void;
  /** A line about long work that is written over by the next one; undefined takes it away. Only for a person who watches a terminal. */
  progress(line: string | undefined): void;
  /** A line of a longer story: text for people, an object for programs. */
  event(value: unknown, human: string): void;
};

export type OutputOptions = {
  json: boolean;
  jsonl: boolean;
  env: Readonly<Record<string, string | undefined>>;
  terminal: boolean;
  /** Whether notes go to a terminal. */
  watched?: boolean;
  write: (text: string) => void;
  writeNote: (text: string) => void;
};

export function createOutput({ json, jsonl, env, terminal, watched = false, write, writeNote }: OutputOptions): Output {
  const form = json ? "json" : jsonl ? "jsonl" : "human";
  const colors = pico.createColors(terminal && form === "human" && !env.NO_COLOR);
  const print = (value: unknown) => write(`${JSON.stringify(value)}\n`);
  return {
    form,
    colors,
    list(items, row) {
      if (form === "json") print({ items });
      else if (form === "jsonl") for (const item of items) print(item);
      else write(table(items.map(row), { terminal, bold: colors.bold }));
    },
    one(value, human) {
      if (form === "human") write(`${human().join("\n")}\n`);
      else print(value);
    },
    note(line) {
      if (form === "human") writeNote(`${watched ? "\r\u001b[K" : ""}${line}\n`);
    },
    progress(line) {
      if (watched && form === "human") writeNote(`\r\u001b[K${line ?? ""}`);
    },
    event(value, human) {
      if (form === "human") write(`${human}\n`);
      else print(value);
    },
  };
}

/** Columns in line on a terminal, tabs when piped, so that `cut` and `awk` work. */
export function table(
  rows: readonly Record<string, Cell>[],
  { terminal, bold }: { terminal: boolean; bold: (text: string) => string },
): string {
  const [first] = rows;
  if (first === undefined) return terminal ? "Nothing to show.\n" : "";
  const names = Object.keys(first);
  const cells = rows.map((row) => names.map((name) => String(row[name] ?? "")));
  if (!terminal) return `${cells.map((row) => row.join("\t")).join("\n")}\n`;
  const widths = names.map((name, i) => Math.max(name.length, ...cells.map((row) => row[i]?.length ?? 0)));
  const line = (row: string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  return `${[bold(line(names.map((name) => name.toUpperCase()))), ...cells.map(line)].join("\n")}\n`;
}

/** `4 min ago`, or nothing where there is no time. */
export function ago(at: string | undefined, now = Date.now()): string {
  return at === undefined ? "" : `${humanDuration(Math.max(0, now - Date.parse(at)))} ago`;
}

/** `name: value` lines in one column; entries without a value are left out. */
export function facts(entries: Record<string, Cell>): string[] {
  const present = Object.entries(entries).filter(([, value]) => value !== undefined && value !== "");
  const width = Math.max(0, ...present.map(([name]) => name.length));
  return present.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
}
