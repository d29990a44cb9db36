import { tags } from "./der-write.ts";
import { pkiProblems } from "./errors.ts";

/** One element of a DER document. `raw` is the whole element, `body` its content; `children` are those of a constructed one. */
export type Der = { readonly tag: number; readonly raw: Buffer; readonly body: Buffer; readonly children: readonly Der[] };

export type DerLimits = { readonly bytes: number; readonly depth: number; readonly elements: number };

const defaultLimits: DerLimits = { bytes: 64 * 1024, depth: 24, elements: 4_096 };

const malformed = (why: string) => pkiProblems.der_malformed(`This is not DER: ${why}.`);

/**
 * Reads exactly one DER element. Refused with `der_malformed`: indefinite and non-minimal lengths, tags of more than one octet,
 * bytes after the end, elements that overrun their parent, and documents beyond the limits.
 */
export function readDer(bytes: Uint8Array, limits: DerLimits = defaultLimits): Der {
  if (bytes.length > limits.bytes) throw malformed(`${bytes.length} bytes are more than the ${limits.bytes} that we read`);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const budget = { elements: limits.elements };
  const { element, next } = readElement(buffer, 0, { budget, depth: limits.depth });
  if (next !== buffer.length) throw malformed(`${buffer.length - next} bytes follow the end`);
  return element;
}

type Walk = { readonly budget: { elements: number }; readonly depth: number };

function readElement(bytes: Buffer, at: number, walk: Walk): { element: Der; next: number } {
  if (walk.depth < 0) throw malformed("it nests too deeply");
  if (--walk.budget.elements < 0) throw malformed("it has too many elements");
  const tag = bytes[at];
  if (tag === undefined) throw malformed("it ends too early");
  if ((tag & 0x1f) === 0x1f) throw malformed("a tag takes more than one octet");
  const { size, start } = readLength(bytes, at + 1);
  const next = start + size;
  if (next > bytes.length) throw malformed("an element is longer than what holds it");
  const body = bytes.subarray(start, next);
  const children = tag & 0x20 ? readChildren(body, walk) : [];
  return { element: { tag, raw: bytes.subarray(at, next), body, children }, next };
}

function readChildren(body: Buffer, walk: Walk): Der[] {
  const children: Der[] = [];
  for (let at = 0; at < body.length; ) {
    const { element, next } = readElement(body, at, { budget: walk.budget, depth: walk.depth - 1 });
    children.push(element);
    at = next;
  }
  return children;
}

/** [X.690 10.1] The definite form with the fewest octets. */
function readLength(bytes: Buffer, at: number): { size: number; start: number } {
  const first = bytes[at];
  if (first === undefined) throw malformed("it ends inside a length");
  if (first < 0x80) return { size: first, start: at + 1 };
  const octets = first & 0x7f;
  if (octets === 0) throw malformed("a length is indefinite");
  if (octets > 4 || at + 1 + octets > bytes.length) throw malformed("a length is too long");
  let size = 0;
  for (let i = 1; i <= octets; i++) size = size * 256 + (bytes[at + i] ?? 0);
  if (size < 0x80 || size < 2 ** (8 * (octets - 1))) throw malformed("a length is not in its shortest form");
  return { size, start: at + 1 + octets };
}

/** The element, if it has this tag; `what` names it in the error. */
export function expectTag(element: Der | undefined, tag: number, what: string): Der {
  if (element === undefined) throw malformed(`${what} is missing`);
  if (element.tag !== tag) throw malformed(`${what} has tag 0x${element.tag.toString(16)} instead of 0x${tag.toString(16)}`);
  return element;
}

/** [X.690 8.19] An OBJECT IDENTIFIER in dotted form. */
export function readOid(element: Der | undefined, what: string): string {
  const { body } = expectTag(element, tags.oid, what);
  if (body.length === 0 || body.length > 64 || ((body.at(-1) ?? 0) & 0x80) !== 0)
    throw malformed(`${what} is no object identifier`);
  const arcs: number[] = [];
  let arc = 0;
  let fresh = true;
  for (const octet of body) {
    if (fresh && octet === 0x80) throw malformed(`${what} is not in its shortest form`);
    arc = arc * 128 + (octet & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER / 128) throw malformed(`${what} has an arc that is too large`);
    fresh = (octet & 0x80) === 0;
    if (fresh) {
      arcs.push(arc);
      arc = 0;
    }
  }
  const [head = 0, ...rest] = arcs;
  const root = Math.min(2, Math.floor(head / 40));
  return [root, head - root * 40, ...rest].join(".");
}

/** The bytes of an INTEGER, two's complement, in their shortest form. */
export function readInteger(element: Der | undefined, what: string): Buffer {
  const { body } = expectTag(element, tags.integer, what);
  const [first, second = 0] = body;
  if (first === undefined) throw malformed(`${what} is an empty integer`);
  const padded = body.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
  if (padded) throw malformed(`${what} is not in its shortest form`);
  return body;
}

/** A small non-negative INTEGER. */
export function readSmallInteger(element: Der | undefined, what: string): number {
  const bytes = readInteger(element, what);
  if (bytes.length > 4 || (bytes[0] ?? 0) & 0x80) throw malformed(`${what} is out of range`);
  return bytes.readUIntBE(0, bytes.length);
}

export function readBoolean(element: Der | undefined, what: string): boolean {
  const { body } = expectTag(element, tags.boolean, what);
  if (body.length !== 1 || (body[0] !== 0 && body[0] !== 0xff)) throw malformed(`${what} is neither TRUE nor FALSE`);
  return body[0] === 0xff;
}

/** A BIT STRING of whole octets: keys and signatures. */
export function readOctetsOfBits(element: Der | undefined, what: string): Buffer {
  const { body } = expectTag(element, tags.bitString, what);
  if (body[0] !== 0) throw malformed(`${what} is not a whole number of octets`);
  return body.subarray(1);
}

/** The numbers of the bits that are set in a BIT STRING of named bits. */
export function readNamedBits(element: Der | undefined, what: string): number[] {
  const { body } = expectTag(element, tags.bitString, what);
  const unused = body[0];
  if (unused === undefined || unused > 7 || (body.length === 1 && unused !== 0) || body.length > 8)
    throw malformed(`${what} is no bit string`);
  const bits: number[] = [];
  for (let bit = 0; bit < (body.length - 1) * 8; bit++) if ((body[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) bits.push(bit);
  if (bits.some((bit) => bit >= (body.length - 1) * 8 - unused)) throw malformed(`${what} sets bits that it says are unused`);
  return bits;
}

/** [RFC 5280 4.1.2.5] Milliseconds of a UTCTime or GeneralizedTime in Z with seconds. */
export function readTime(element: Der | undefined, what: string): number {
  const text = element?.body.toString("latin1") ?? "";
  const utc = element?.tag === tags.utcTime && /^\d{12}Z$/.test(text);
  if (!utc && !(element?.tag === tags.generalizedTime && /^\d{14}Z$/.test(text)))
    throw malformed(`${what} is no time in Zulu with seconds`);
  const full = utc ? `${Number(text.slice(0, 2)) < 50 ? "20" : "19"}${text}` : text;
  const [year, month, day, hour, minute, second] = [
    full.slice(0, 4),
    ...[4, 6, 8, 10, 12].map((from) => full.slice(from, from + 2)),
  ];
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(at) || new Date(at).getUTCDate() !== Number(day)) throw malformed(`${what} is no date: ${text}`);
  return at;
}
