import { createHash } from "node:crypto";
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

const sha256 = (text: string): string => createHash("sha256").update(text, "utf8").digest("hex");

/** SHA-256 of the entry as canonical JSON, lower-case hex. */
export const entryHashOf = (entry: Readonly<Record<string, string>>): string => sha256(canonicalJson(entry));

/** SHA-256 over the hash before, a line feed, the entry's number, a line feed, and the entry's hash. */
export const sealEntry = (before: LogHead, entryHash: string): LogHead => ({
  seq: before.seq + 1,
  hash: sha256(`${before.hash}\n${before.seq + 1}\n${entryHash}`),
});

/** Walks a sealed log from its first entry. Whether it is the right log, and whole at its end, says the head: compare it with one kept elsewhere. */
export function verifyLog(lines: Iterable<SealedEntry>): LogVerdict {
  let head = logStart;
  let forgotten = 0;
  for (const { seq, entryHash, hash, entry } of lines) {
    const next = sealEntry(head, entryHash);
    if (seq !== next.seq) return { is: "broken", at: next.seq, because: "missing" };
    if (entry !== undefined && entryHashOf(entry) !== entryHash) return { is: "broken", at: seq, because: "changed" };
    if (hash !== next.hash) return { is: "broken", at: seq, because: "chain" };
    if (entry === undefined) forgotten += 1;
    head = next;
  }
  return { is: "whole", head, entries: head.seq, forgotten };
}
