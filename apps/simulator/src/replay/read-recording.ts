import { basename, extname } from "node:path";
import { parseLibrary } from "./library.ts";
import { parseNab } from "./nab.ts";
import type { Recording } from "./recording.ts";
import { parseSinglehop } from "./singlehop.ts";

/** Reads a recording of one of the three formats; undefined when it is none of them. `path` names the series of a nab file. */
export function readRecording(path: string, bytes: Buffer): Recording | undefined {
  // The library's files are ISO 8859-1; the others are ASCII, which reads the same.
  const text = bytes.toString("latin1");
  const head = text.slice(0, 2_000);
  const read = parserFor(head, basename(path, extname(path)).replace(/[^A-Za-z0-9._-]/g, "_"));
  return read?.(text);
}

function parserFor(head: string, name: string): ((text: string) => Recording) | undefined {
  if (/^timestamp,value\b/.test(head)) return (text) => parseNab(text, name);
  if (/^\d{10,13} \d+ \d/.test(head)) return parseLibrary;
  if (/^\d+\t\d+\t/m.test(head)) return parseSinglehop;
  return undefined;
}
