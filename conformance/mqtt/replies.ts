/** Reads what the endpoint answered, just far enough to compare it. Only for answers: what a client may send is the gate's business. */

export type Reply = { type: number; bytes: Buffer; body: Buffer };

/** The whole packets at the front of the bytes, and how many bytes they take. */
export function splitReplies(bytes: Buffer): { replies: Reply[]; used: number } {
  const replies: Reply[] = [];
  let used = 0;
  for (let next = replyAt(bytes, used); next !== undefined; next = replyAt(bytes, used)) {
    replies.push(next);
    used += next.bytes.length;
  }
  return { replies, used };
}

function replyAt(bytes: Buffer, start: number): Reply | undefined {
  let length = 0;
  for (let i = 1; i <= 4; i++) {
    const byte = bytes[start + i];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) << (7 * (i - 1));
    if (byte & 0x80) continue;
    const [body, end] = [start + i + 1, start + i + 1 + length];
    if (end > bytes.length) return undefined;
    return { type: (bytes[start] ?? 0) >> 4, bytes: bytes.subarray(start, end), body: bytes.subarray(body, end) };
  }
  return undefined;
}

export type Likeness = "exact" | "lenient" | "different";

/** Whether an answer says what the recorded one says. Another reason of the same tenor, or other offers in CONNACK, are as good. */
export function compare(expected: Reply, given: Reply, version: number): Likeness {
  if (expected.bytes.equals(given.bytes)) return "exact";
  if (expected.type !== given.type) return "different";
  switch (expected.type) {
    case 2:
      return sameTenor(expected.body[1], given.body[1]) && expected.body[0] === given.body[0] ? "lenient" : "different";
    case 4:
    case 5:
    case 6:
    case 7:
      return sameId(expected, given) && sameTenor(expected.body[2], given.body[2]) ? "lenient" : "different";
    case 9:
    case 11:
      return sameId(expected, given) && sameCodes(codesOf(expected, version), codesOf(given, version)) ? "lenient" : "different";
    case 14:
      return sameTenor(expected.body[0], given.body[0]) ? "lenient" : "different";
    default:
      return "different";
  }
}

const refuses = (code: number | undefined): boolean => (code ?? 0) >= 0x80 || false;
/** Codes below 0x80 are assent, in MQTT 3.1.1's CONNACK only 0 is. */
const sameTenor = (a: number | undefined, b: number | undefined): boolean =>
  (a ?? 0) === (b ?? 0) || (refuses(a) && refuses(b)) || ((a ?? 0) === 0x10 && (b ?? 0) === 0);
const sameId = (a: Reply, b: Reply): boolean => a.body.readUInt16BE(0) === b.body.readUInt16BE(0);

/** The codes of SUBACK and UNSUBACK; their properties in version 5 are skipped. */
export function codesOf({ body }: Reply, version: number): number[] {
  return [...body.subarray(version === 5 ? 3 + (body[2] ?? 0) : 2)];
}

// [MQTT-3.8.4-8] A server may grant a lower QoS than was asked for.
const sameCodes = (expected: number[], given: number[]): boolean =>
  expected.length === given.length &&
  expected.every(
    (code, i) => code === given[i] || (code <= 2 && (given[i] ?? 0xff) <= code) || (refuses(code) && refuses(given[i])),
  );
