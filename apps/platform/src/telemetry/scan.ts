import { eventTime } from "./event-time.ts";
import { limits, type Points, type Shape } from "./point.ts";
import { readSequence, type Sequence } from "./sequence.ts";

export type Scanned = { value: Points; sequence?: Sequence };

/** Reads the usual payload fast: undefined says that the payload is not of that kind, and nothing about whether it is good. */
export type Scan = (payload: Buffer, receivedAt: number) => Scanned | undefined;

/** Members of one object; what has more is read the long way. */
const mostMembers = 256;
/** Slots for shapes. A device that makes up keys without end takes others' slots one at a time, and costs them a look at their own keys. */
const slots = 1_024;

/** What is known of objects with the same keys in the same order. */
type Known = { keys: Buffer; shape: Shape; places: readonly number[]; ts: number; seq: number; boot: number; usual: boolean };

type Kind = "number" | "text" | "flag";

/**
 * A scanner of flat JSON objects as devices write them: printable ASCII, no escapes, numbers of at most 15 digits without an exponent. It reads the
 * bytes once, and recognises the keys instead of building them. What it reads is what `JSON.parse` and `resolveFlat` would read.
 */
export function createScan(): Scan {
  const known: (Known | undefined)[] = Array.from({ length: slots });
  const members = new Members();
  return (payload, receivedAt) => {
    if (payload.length > limits.payloadBytes || !members.read(payload)) return undefined;
    const slot = members.hash & (slots - 1);
    let found = known[slot];
    if (found === undefined || !members.hasKeys(found.keys)) {
      found = learn(members);
      known[slot] = found;
    }
    return found.usual ? pointsIn(members, found, receivedAt) : undefined;
  };
}

function learn(members: Members): Known {
  const names = members.names();
  const places = names.flatMap((name, place) => (reserved.has(name) ? [] : place));
  const metrics = places.map((place) => names[place] ?? "");
  return {
    keys: members.keys(),
    shape: { metrics, units: metrics.map(() => "") },
    places,
    ts: names.indexOf("ts"),
    seq: names.indexOf("_seq"),
    boot: names.indexOf("_boot"),
    // Of two values with one key the last holds, a key like "7" comes before others, and a name that breaks a rule needs its refusal.
    usual:
      new Set(names).size === names.length &&
      metrics.length > 0 &&
      metrics.every((name) => name !== "" && name.length <= limits.metricChars && !/^\d/.test(name)),
  };
}

const reserved: ReadonlySet<string> = new Set(["ts", "_seq", "_boot"]);

function pointsIn(members: Members, { shape, places, ts, seq, boot }: Known, receivedAt: number): Scanned | undefined {
  if (ts >= 0 && members.kind(ts) !== "number") return undefined;
  const values: (number | string)[] = [];
  for (const place of places) values.push(members.value(place));
  const { at, timeSource } = eventTime(ts < 0 ? undefined : Number(members.value(ts)), receivedAt);
  const value: Points = { shape, values, at, timeSource };
  if (seq < 0 && boot < 0) return { value };
  if (seq < 0 || boot < 0 || members.kind(seq) === "flag" || members.kind(boot) === "flag") return undefined;
  const sequence = readSequence(members.value(seq), members.value(boot));
  return sequence && { value, sequence };
}

/** The members of the object that was read last: where its keys are, and its values. Used again and again, so that reading leaves no garbage. */
class Members {
  hash = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #count = 0;
  readonly #from = new Uint32Array(mostMembers);
  readonly #to = new Uint32Array(mostMembers);
  readonly #numbers = new Float64Array(mostMembers);
  readonly #texts: (string | undefined)[] = Array.from({ length: mostMembers });
  readonly #flags = new Uint8Array(mostMembers);

  /** False where the bytes are no such object, or one to be read the long way. */
  read(bytes: Buffer): boolean {
    this.#bytes = bytes;
    [this.#at, this.#count, this.hash] = [1, 0, 0x811c9dc5];
    if (bytes[0] !== 0x7b) return false;
    for (;;) {
      this.#skipSpaces();
      if (this.#count === mostMembers || !this.#readKey() || !this.#readValue()) return false;
      this.#count += 1;
      this.#skipSpaces();
      const next = this.#next();
      if (next === 0x2c) continue;
      return next === 0x7d && this.#at === bytes.length;
    }
  }

  kind(place: number): Kind {
    if (this.#texts[place] !== undefined) return "text";
    return this.#flags[place] === 1 ? "flag" : "number";
  }

  value(place: number): number | string {
    return this.#texts[place] ?? this.#numbers[place] ?? Number.NaN;
  }

  names(): string[] {
    return Array.from({ length: this.#count }, (_, i) => this.#bytes.toString("latin1", this.#from[i], this.#to[i]));
  }

  /** The keys, each behind a quotation mark, which none of them holds. */
  keys(): Buffer {
    return Buffer.from(
      this.names()
        .map((name) => `"${name}`)
        .join(""),
      "latin1",
    );
  }

  hasKeys(keys: Buffer): boolean {
    let at = 0;
    for (let i = 0; i < this.#count; i++) {
      const [from, to] = [this.#from[i] ?? 0, this.#to[i] ?? 0];
      // The byte before a key is its quotation mark.
      if (at + to - from >= keys.length) return false;
      for (let place = from - 1; place < to; place++) if (this.#bytes[place] !== keys[at++]) return false;
    }
    return at === keys.length;
  }

  /** The next byte; 0 at the end. */
  #next(): number {
    return this.#at < this.#bytes.length ? (this.#bytes[this.#at++] ?? 0) : 0;
  }

  #peek(): number {
    return this.#at < this.#bytes.length ? (this.#bytes[this.#at] ?? 0) : 0;
  }

  #skipSpaces(): void {
    while (this.#peek() === 0x20) this.#at += 1;
  }

  #readKey(): boolean {
    if (this.#next() !== 0x22) return false;
    this.#from[this.#count] = this.#at;
    let hash = Math.imul(this.hash ^ 0x22, 0x01000193);
    for (let byte = this.#next(); byte !== 0x22; byte = this.#next()) {
      if (byte < 0x20 || byte > 0x7e || byte === 0x5c) return false;
      hash = Math.imul(hash ^ byte, 0x01000193);
    }
    // The low bits choose the slot, so the high ones have their say in them.
    this.hash = hash ^ (hash >>> 15);
    this.#to[this.#count] = this.#at - 1;
    this.#skipSpaces();
    if (this.#next() !== 0x3a) return false;
    this.#skipSpaces();
    return true;
  }

  #readValue(): boolean {
    this.#texts[this.#count] = undefined;
    this.#flags[this.#count] = 0;
    const byte = this.#peek();
    if (byte === 0x22) return this.#readText();
    if (byte === 0x74 || byte === 0x66) return this.#readFlag(byte === 0x74 ? "true" : "false");
    return this.#readNumber();
  }

  #readText(): boolean {
    const from = ++this.#at;
    for (let byte = this.#next(); byte !== 0x22; byte = this.#next()) if (byte < 0x20 || byte > 0x7e || byte === 0x5c) return false;
    const to = this.#at - 1;
    if (to - from > limits.textChars) return false;
    this.#texts[this.#count] = this.#bytes.toString("latin1", from, to);
    return true;
  }

  #readFlag(word: "true" | "false"): boolean {
    if (this.#bytes.toString("latin1", this.#at, this.#at + word.length) !== word) return false;
    this.#at += word.length;
    this.#numbers[this.#count] = word === "true" ? 1 : 0;
    this.#flags[this.#count] = 1;
    return true;
  }

  /** A whole number below 10^15 and a power of ten up to 10^15 are exact in a double, and so their quotient is the nearest one. */
  #readNumber(): boolean {
    const negative = this.#peek() === 0x2d;
    if (negative) this.#at += 1;
    const from = this.#at;
    let mantissa = this.#readDigits(0);
    const whole = this.#at - from;
    if (whole === 0 || (whole > 1 && this.#bytes[from] === 0x30)) return false;
    let scale = 0;
    if (this.#peek() === 0x2e) {
      const point = ++this.#at;
      mantissa = this.#readDigits(mantissa);
      scale = this.#at - point;
      if (scale === 0) return false;
    }
    const next = this.#peek();
    if (whole + scale > 15 || next === 0x65 || next === 0x45) return false;
    const value = mantissa / (powers[scale] ?? 1);
    // -0 becomes 0, as everywhere.
    this.#numbers[this.#count] = negative && value !== 0 ? -value : value;
    return true;
  }

  #readDigits(before: number): number {
    let value = before;
    for (let digit = this.#peek() - 0x30; digit >= 0 && digit <= 9; digit = this.#peek() - 0x30) {
      value = value * 10 + digit;
      this.#at += 1;
    }
    return value;
  }
}

const powers = Float64Array.from({ length: 16 }, (_, i) => 10 ** i);
