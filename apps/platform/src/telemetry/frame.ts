import type { UpChannel } from "@tenfold/contracts";
import type { UpMessage } from "./message.ts";

/** The order is the number in the frame: only append. */
const channels: readonly UpChannel[] = ["telemetry", "heartbeat", "events", "logs", "state", "deployment", "command"];
const transports = ["mqtt", "https"] as const;
/** 2 has the sequence of a message that is counted, 1 is all others. */
const versions = { plain: 1, counted: 2 } as const;
const fixedBytes = 3 + 8;

/**
 * A message as bytes of the journal: version, channel, transport (u8 each), received at (f64), four texts with a length byte; in version 2
 * the boot as a fifth text and the sequence number (f64); the payload.
 */
export function encodeFrame(message: UpMessage): Buffer {
  const { device, scope, id = "", remoteAddress = "", sequence, payload } = message;
  const texts = sizeOf(device) + sizeOf(scope.fleet) + sizeOf(id) + sizeOf(remoteAddress);
  const number = sequence ? sizeOf(sequence.boot) + 8 : 0;
  const frame = Buffer.allocUnsafe(fixedBytes + texts + number + payload.length);
  frame[0] = sequence ? versions.counted : versions.plain;
  frame[1] = numberOf(message.channel);
  frame[2] = transports.indexOf(message.transport);
  frame.writeDoubleBE(message.receivedAt, 3);
  let at = writeText(frame, fixedBytes, device);
  at = writeText(frame, at, scope.fleet);
  at = writeText(frame, at, id);
  at = writeText(frame, at, remoteAddress);
  if (sequence) at = frame.writeDoubleBE(sequence.seq, writeText(frame, at, sequence.boot));
  frame.set(payload, at);
  return frame;
}

/** A renewal is answered and not kept: it never comes here. */
function numberOf(channel: UpChannel): number {
  const number = channels.indexOf(channel);
  if (number < 0) throw new RangeError(`Messages of the channel ${channel} are not kept.`);
  return number;
}

/** What a text takes, with the byte of its length. */
function sizeOf(text: string): number {
  const length = Buffer.byteLength(text);
  if (length > 255) throw new RangeError("A device, fleet, id or address is longer than 255 bytes.");
  return 1 + length;
}

/** Behind a byte with its length, which fits: `sizeOf` has seen to it. Returns the place after it. */
function writeText(frame: Buffer, at: number, text: string): number {
  let length = 0;
  // Nearly all are short and plain, and a call into the runtime would cost more than the bytes.
  for (; length < text.length; length++) {
    const char = text.charCodeAt(length);
    if (char > 0x7f) break;
    frame[at + 1 + length] = char;
  }
  if (length < text.length) length = frame.write(text, at + 1);
  frame[at] = length;
  return at + 1 + length;
}

/** Reads what `encodeFrame` wrote; undefined when this version cannot. */
export function decodeFrame(frame: Buffer): UpMessage | undefined {
  const counted = frame[0] === versions.counted;
  if (frame.length < fixedBytes + 4 || (frame[0] !== versions.plain && !counted)) return undefined;
  const channel = channels[frame.readUInt8(1)];
  const transport = transports[frame.readUInt8(2)];
  if (channel === undefined || transport === undefined) return undefined;
  const read = readTexts(frame, counted ? 5 : 4);
  if (read === undefined) return undefined;
  const { texts } = read;
  const [device = "", fleet = "", id = "", remoteAddress = "", boot = ""] = texts;
  const at = read.at + (counted ? 8 : 0);
  if (at > frame.length) return undefined;
  return {
    device,
    scope: { fleet },
    channel,
    ...(id === "" ? {} : { id }),
    payload: frame.subarray(at),
    ...(counted ? { sequence: { boot, seq: frame.readDoubleBE(at - 8) } } : {}),
    receivedAt: frame.readDoubleBE(3),
    transport,
    ...(remoteAddress === "" ? {} : { remoteAddress }),
  };
}

/** So many texts, each behind a byte with its length, and where they end. */
function readTexts(frame: Buffer, many: number): { texts: string[]; at: number } | undefined {
  const texts: string[] = [];
  let at = fixedBytes;
  for (let i = 0; i < many; i++) {
    const length = frame[at];
    if (length === undefined || at + 1 + length > frame.length) return undefined;
    texts.push(frame.toString("utf8", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { texts, at };
}
