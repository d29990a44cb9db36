import { refuse } from "./refusal.ts";

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];

/** Deeper than any role's format; far below what would exhaust the stack of a reader. */
const mostDepth = 32;

export type Read = {
  value: unknown;
  text: string;
  /** The bytes of a top-level member as they were sent, when its value is an object or a list. */
  span: (name: string) => Uint8Array | undefined;
};

/**
 * Reads JSON that a stranger sent, once its size was looked at: valid UTF-8, no deeper than 32, and with one meaning only: a name that
 * stands twice in an object is refused, because two readers could each take another of its values. Linear in the size.
 */
export function readJson(bytes: Uint8Array): Read {
  const { members, ascending, spans } = survey(bytes);
  const text = decode(bytes);
  const value = parse(text);
  if (!ascending && countKeys(value) !== members) refuse("metadata_malformed", "The metadata says a name twice in one object.");
  return {
    value,
    text,
    span: (name) => {
      const span = spans.find(([from, to]) => Buffer.from(bytes.subarray(from, to)).toString("utf8") === name);
      return span && bytes.subarray(span[2], span[3]);
    },
  };
}

/** Where a name stands, and where its value does. */
type Span = [nameFrom: number, nameTo: number, from: number, to: number];
type Survey = {
  /** One for each member that is written. */
  members: number;
  /** Whether names grow within each object, spelled without escapes: then none stands twice, and nobody has to count. */
  ascending: boolean;
  spans: Span[];
};

/** Looks over the text before a parser recurses into it, and refuses what is too deep. Strings are passed over, never read. */
function survey(bytes: Uint8Array): Survey {
  const look = new Look(bytes);
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === quote) i = look.text(i);
    else if (byte === colon) look.member();
    else if (byte === openBrace || byte === openBracket) look.open(i);
    else if (byte === closeBrace || byte === closeBracket) look.close(i);
  }
  return look;
}

class Look implements Survey {
  members = 0;
  ascending = true;
  readonly spans: Span[] = [];
  private readonly bytes: Uint8Array;
  /** Of each open object: where its last name began and ended. */
  private readonly last = new Int32Array(2 * (mostDepth + 2));
  private depth = 0;
  private from = 0;
  private to = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  text(start: number): number {
    this.from = start + 1;
    this.to = endOfString(this.bytes, start);
    return this.to;
  }

  member(): void {
    const { last, depth, from, to } = this;
    this.members += 1;
    const [before, end] = [last[2 * depth] ?? 0, last[2 * depth + 1] ?? 0];
    if (this.ascending && !isAfter(this.bytes, { before, end, from, to })) this.ascending = false;
    last[2 * depth] = from;
    last[2 * depth + 1] = to;
  }

  open(at: number): void {
    this.depth += 1;
    const { last, depth } = this;
    if (depth > mostDepth) refuse("metadata_malformed", `The metadata is nested more than ${mostDepth} deep.`);
    last[2 * depth] = last[2 * depth + 1] = 0;
    if (depth === 2) this.spans.push([last[2] ?? 0, last[3] ?? 0, at, at]);
  }

  close(at: number): void {
    const span = this.spans.at(-1);
    if (this.depth === 2 && span) span[3] = at + 1;
    this.depth = Math.max(0, this.depth - 1);
  }
}

/** Whether the name at `from` is greater than the one at `before` (none: 0), byte by byte, and free of escapes. */
function isAfter(bytes: Uint8Array, { before, end, from, to }: { before: number; end: number; from: number; to: number }): boolean {
  for (let i = from; i < to; i++) if (bytes[i] === backslash) return false;
  if (before === 0) return true;
  const shorter = Math.min(end - before, to - from);
  for (let i = 0; i < shorter; i++) {
    const [a = 0, b = 0] = [bytes[before + i], bytes[from + i]];
    if (a !== b) return b > a;
  }
  return to - from > end - before;
}

function endOfString(bytes: Uint8Array, start: number): number {
  let i = start + 1;
  while (i < bytes.length && bytes[i] !== quote) i += bytes[i] === backslash ? 2 : 1;
  return i;
}

function decode(bytes: Uint8Array): string {
  try {
    // The byte order mark stays, and is then no JSON: kept text must give back the very bytes that were hashed.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse("metadata_malformed", "The metadata is not UTF-8.");
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return refuse("metadata_malformed", "The metadata is not JSON.");
  }
}

function countKeys(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) count += countKeys(item);
    return count;
  }
  for (const key of Object.keys(value)) count += 1 + countKeys((value as Record<string, unknown>)[key]);
  return count;
}
