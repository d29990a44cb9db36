import { canonicalJson, type Json } from "@tenfold/base";
import type { Actor } from "@tenfold/contracts";

/** What the trail says about one change. */
export type ChainEntry = {
  seq: number;
  fleet: string;
  /** RFC 3339 in UTC, with milliseconds. */
  at: string;
  actor: Actor;
  /** Dotted and in the past: `device.suspended`. */
  action: string;
  subject: { kind: string; id: string };
  detail: { readonly [key: string]: Json };
};

export type Sealed = ChainEntry & { hash: string };

/** SHA-256 of a text in UTF-8, as 64 lower-case hex digits. */
export type Sha256 = (text: string) => string;

/** The hash that stands before the first entry. */
export const chainStart = "0".repeat(64);

/**
 * An entry's hash: SHA-256 over the hash before it, a line feed, and the entry as canonical JSON, in which `detail` is the text of its
 * own canonical form after RFC 8785 (fractions are allowed there).
 */
export function sealOf(before: string, entry: ChainEntry, sha256: Sha256): string {
  const { seq, fleet, at, action } = entry;
  const actor = { kind: entry.actor.kind, id: entry.actor.id, name: entry.actor.name };
  const subject = { kind: entry.subject.kind, id: entry.subject.id };
  return sha256(`${before}\n${canonicalJson({ seq, fleet, at, actor, action, subject, detail: jcs(entry.detail) })}`);
}

export type ChainHead = { seq: number; hash: string };

/** Where the chain stops being what was written; or how far it is whole. */
export type ChainVerdict = { is: "whole"; head: ChainHead } | { is: "broken"; at: number; head: ChainHead };

/** Walks the next entries, oldest first, after `head`. A missing, inserted or changed entry is found at its number. */
export function followChain(head: ChainHead, entries: readonly Sealed[], sha256: Sha256): ChainVerdict {
  let at = head;
  for (const entry of entries) {
    if (entry.seq !== at.seq + 1) return { is: "broken", at: at.seq + 1, head: at };
    if (entry.hash !== sealOf(at.hash, entry, sha256)) return { is: "broken", at: entry.seq, head: at };
    at = { seq: entry.seq, hash: entry.hash };
  }
  return { is: "whole", head: at };
}

/**
 * A detail as the database gives it back: members without a value are gone, and characters that PostgreSQL cannot hold in jsonb (NUL, half
 * a surrogate pair) are replaced by U+FFFD, so that the words of a device can never stop an entry from being written.
 */
export function plainDetail(detail: Readonly<Record<string, unknown>>): { [key: string]: Json } {
  const clean = (text: string) => text.toWellFormed().replaceAll("\0", "\uFFFD");
  const plain = (value: Json): Json => {
    if (typeof value === "string") return clean(value);
    if (Array.isArray(value)) return value.map(plain);
    if (value !== null && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([key, member]) => [clean(key), plain(member)]));
    return value;
  };
  // What JSON.parse gives is Json, and a record stays a record.
  return plain(JSON.parse(JSON.stringify(detail)) as Json) as { [key: string]: Json };
}

/** RFC 8785. Numbers as ECMAScript writes them, which is what it prescribes. */
function jcs(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(jcs).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${jcs(member)}`).join(",")}}`;
}
