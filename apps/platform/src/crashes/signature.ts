import { createHash } from "node:crypto";
import type { CrashKind } from "@tenfold/contracts";
import { readCore } from "./core.ts";

/** What a crash is called, and what makes another one the same. */
export type Signature = { signature: string; title: string; frames: string[] };

/** How much of an artifact is looked at: its head. Kernel panics stand near the end of a pstore record, which is small. */
export const headBytes = 256 * 1_024;
const mostFrames = 5;
const longest = 200;

/** How a crash announces itself, the surest first: kernel, then runtimes, then anything that says that it is an error. */
const announcements: readonly RegExp[] = [
  /Kernel panic - not syncing: (?<what>.+)/,
  /(?<what>(?:BUG|Oops|Unable to handle kernel|Internal error|watchdog: BUG|Out of memory|general protection fault)\b.*)/,
  /(?<what>(?:[\w.]*(?:Error|Exception|panic)\b: ?.+))/,
  /(?<what>panicked at .+)/,
  /(?<what>.*(?:[Aa]ssertion|assert) .*failed.*)/,
  /(?<what>.*(?:Segmentation fault|SIG(?:SEGV|ABRT|BUS|ILL|FPE)).*)/,
  /(?<what>.*\b(?:fatal|FATAL|critical|CRITICAL)\b.*)/,
];

/** Frames of a call trace: kernel (`? do_thing+0x1c/0x80 [module]`), gdb (`#3 0x… in do_thing (`), JavaScript (`at doThing (file`), Rust and Go (`3: crate::do_thing`). */
const framePatterns: readonly RegExp[] = [
  /^\s*(?:\?\s+)?([A-Za-z_][\w.]*)\+0x[0-9a-f]+\/0x[0-9a-f]+/,
  /^\s*#\d+\s+(?:0x[0-9a-f]+ in )?([A-Za-z_][\w:.<>~]*)/,
  /^\s*at (?:async )?([\w.$<>]+) \(/,
  /^\s*\d+:\s+(?:0x[0-9a-f]+ - )?([A-Za-z_][\w:<>]*)/,
];
const notFrames = new Set(["dump_stack", "show_stack", "panic", "dump_backtrace", "__schedule"]);

/** Reads what a crash is from the head of its bytes. Pure, and total: bytes that say nothing are a crash without a name. */
export function signatureOf(kind: CrashKind, head: Buffer): Signature {
  const core = kind === "core" ? readCore(head) : undefined;
  if (core) return signed(`${core.program} ${core.signal}`, core.at === undefined ? [] : [core.at]);
  const lines = head
    .toString("latin1")
    .split(/\r?\n/)
    // [  12.345678] and <4>: when and how loud says nothing about what.
    .map((line) => line.replace(/^(?:<\d+>)?\s*(?:\[\s*\d+\.\d+\]\s*)?(?:\[[TC]?\s*\d+\]\s*)?/, "").replace(/[^\x20-\x7e]/g, ""));
  for (const announcement of announcements) {
    for (const line of lines) {
      const what = announcement.exec(line)?.groups?.what;
      if (what !== undefined) return signed(what, framesOf(lines));
    }
  }
  return signed(`${kind} without a known error`, framesOf(lines));
}

function framesOf(lines: readonly string[]): string[] {
  const found = lines.flatMap((line) => {
    for (const pattern of framePatterns) {
      const name = pattern.exec(line)?.[1];
      if (name !== undefined && !notFrames.has(name)) return [name.slice(0, longest)];
    }
    return [];
  });
  return found.slice(0, mostFrames);
}

/** Addresses, numbers and names of processes differ from device to device and say nothing about the fault. */
const general = (text: string): string =>
  text
    .replace(/0x[0-9a-fA-F]+/g, "0x…")
    .replace(/\b[0-9a-f]{8,}\b/g, "…")
    .replace(/\b\d+\b/g, "N")
    .trim()
    .slice(0, longest);

function signed(what: string, frames: readonly string[]): Signature {
  const title = general(what) || "crash";
  const digest = createHash("sha256")
    .update(JSON.stringify([title, frames]))
    .digest("hex");
  return { signature: digest.slice(0, 16), title, frames: [...frames] };
}
