import { hash as digest } from "node:crypto";
import { canonicalJson } from "@tenfold/base";

/** What a sealed log says of one entry. `entry` is absent when it was forgotten after its time; its hash stays. */
export type SealedEntry = {
  readonly seq: number;
  readonly entryHash: string;
  readonly hash: string;
  readonly entry?: Readonly<Record<string, string>> | undefined;
};

export type LogHead = { readonly seq: number; readonly hash: string };

export type LogVerdict =
  | { readonly is: "whole"; readonly head: LogHead; readonly entries: number; readonly forgotten: number }
  | { readonly is: "broken"; readonly at: number; readonly because: "missing" | "changed" | "chain" };

/** The head before the first entry. */
export const logStart: LogHead = { seq: 0, hash: "0".repeat(64) };

const sha256 = (text: string): string => digest("sha256", text, "hex");

/** SHA-256 of the entry as canonical JSON, lower-case hex. */
export const entryHashOf = (entry: Readonly<Record<string, string>>): string => sha256(canonicalJson(entry));

/** SHA-256 over the hash before, a line feed, the entry's number, a line feed, and the entry's hash. */
export const sealEntry = (before: LogHead, entryHash: string): LogHead => ({
  seq: before.seq + 1,
  hash: sha256(`${before.hash}\n${before.seq + 1}\n${entryHash}`),
});

export type LogWalk = {
  /** Takes the next entry; what is wrong with it, if anything. After that the walk is over. */
  take(entry: SealedEntry): Extract<LogVerdict, { is: "broken" }> | undefined;
  /** How far it is whole. */
  end(): LogVerdict;
};

/** Walks a sealed log from its first entry, one at a time: an exported log may be larger than memory. */
export function walkLog(): LogWalk {
  let head = logStart;
  let forgotten = 0;
  return {
    take({ seq, entryHash, hash, entry }) {
      const next = sealEntry(head, entryHash);
      if (seq !== next.seq) return { is: "broken", at: next.seq, because: "missing" };
      if (entry !== undefined && entryHashOf(entry) !== entryHash) return { is: "broken", at: seq, because: "changed" };
      if (hash !== next.hash) return { is: "broken", at: seq, because: "chain" };
      if (entry === undefined) forgotten += 1;
      head = next;
      return undefined;
    },
    end: () => ({ is: "whole", head, entries: head.seq, forgotten }),
  };
}

/** The same for a log at hand. Whether it is the right log, and whole at its end, says the head: compare it with one kept elsewhere. */
export function verifyLog(lines: Iterable<SealedEntry>): LogVerdict {
  const walk = walkLog();
  for (const line of lines) {
    const broken = walk.take(line);
    if (broken !== undefined) return broken;
  }
  return walk.end();
}

/** One line of an exported log; undefined where it is none. */
export function readLogLine(text: string): SealedEntry | undefined {
  try {
    const read = JSON.parse(text) as Partial<SealedEntry> | null; // looked at below
    const { seq, entryHash, hash, entry } = read ?? {};
    const plain = entry === undefined || (typeof entry === "object" && entry !== null && Object.values(entry).every(isText));
    return Number.isSafeInteger(seq) && isText(entryHash) && isText(hash) && plain ? (read as SealedEntry) : undefined;
  } catch {
    return undefined;
  }
}

const isText = (value: unknown): boolean => typeof value === "string";
