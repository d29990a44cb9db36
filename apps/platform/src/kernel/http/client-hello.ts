/**
 * Whether what a peer has sent so far is a whole ClientHello, the first message of TLS [RFC 8446 4.1.2], which may come in several records [5.1]. Only its
 * frame is looked at: OpenSSL reads it. `none`: it can never become one. `too_large`: its header announces more than `most` bytes, so that the rest need
 * not be waited for.
 */
export function helloIn(bytes: Uint8Array, most: number): "whole" | "more" | "none" | "too_large" {
  let came = 0;
  let wanted = 0;
  for (let at = 0; at < bytes.length; ) {
    const record = lengthAt(bytes, at);
    if (typeof record === "string") return record;
    const begin = at + headerOfRecord;
    if (came === 0) {
      const message = messageAt(bytes, begin, record);
      if (typeof message === "string") return message;
      if (message > most) return "too_large";
      wanted = message;
    }
    came += Math.min(record, bytes.length - begin);
    if (came >= wanted) return "whole";
    at = begin + record;
  }
  return "more";
}

/** How long the message is, its header included. */
function messageAt(bytes: Uint8Array, begin: number, record: number): number | "more" | "none" {
  // A first record too short for the message's own header tells nothing yet: no client sends such a one.
  if (record < headerOfMessage || (begin < bytes.length && bytes[begin] !== clientHello)) return "none";
  if (begin + headerOfMessage > bytes.length) return "more";
  return headerOfMessage + byteAt(bytes, begin + 1) * 65_536 + byteAt(bytes, begin + 2) * 256 + byteAt(bytes, begin + 3);
}

/** How many bytes the record holds that begins here. */
function lengthAt(bytes: Uint8Array, at: number): number | "more" | "none" {
  if (bytes[at] !== handshakeRecord) return "none";
  if (at + 1 < bytes.length && bytes[at + 1] !== majorVersion) return "none";
  if (at + headerOfRecord > bytes.length) return "more";
  const length = byteAt(bytes, at + 3) * 256 + byteAt(bytes, at + 4);
  return length === 0 || length > longestRecord ? "none" : length;
}

const [handshakeRecord, majorVersion, clientHello] = [0x16, 0x03, 0x01];
const [headerOfRecord, headerOfMessage, longestRecord] = [5, 4, 16_384];

const byteAt = (bytes: Uint8Array, at: number): number => bytes[at] ?? 0;
