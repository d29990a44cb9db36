import type { UpChannel } from "@tenfold/contracts";
import type { UpMessage } from "./message.ts";

/** The order is the number in the frame: only append. */
const channels = ["telemetry", "heartbeat", "events", "logs", "state", "deployment", "command"] as const satisfies UpChannel[];
const transports = ["mqtt", "https"] as const;
/** 2 has the sequence of a message that is counted, 1 is all others. */
const versions = { plain: 1, counted: 2 } as const;
const fixedBytes = 3 + 8;

/**
 * A message as bytes of the journal: version, channel, transport (u8 each), received at (f64), four texts with a length byte; in version 2
 * the boot as a fifth text and the sequence number (f64); the payload.
 */
export function encodeFrame(message: UpMessage): Buffer {
  const { sequence } = message;
  const texts = [message.device, message.scope.fleet, message.id ?? "", message.remoteAddress ?? ""].map((text) =>
    Buffer.from(text),
  );
  if (sequence) texts.push(Buffer.from(sequence.boot));
  const head = Buffer.allocUnsafe(fixedBytes);
  head.writeUInt8(message.sequence ? versions.counted : versions.plain, 0);
  head.writeUInt8(channels.indexOf(message.channel), 1);
  head.writeUInt8(transports.indexOf(message.transport), 2);
  head.writeDoubleBE(message.receivedAt, 3);
  const parts: Buffer[] = [head];
  for (const text of texts) {
    if (text.length > 255) throw new RangeError("A device, fleet, id or address is longer than 255 bytes.");
    parts.push(Buffer.of(text.length), text);
  }
  if (sequence) {
    const seq = Buffer.allocUnsafe(8);
    seq.writeDoubleBE(sequence.seq);
    parts.push(seq);
  }
  return Buffer.concat([...parts, message.payload]);
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
