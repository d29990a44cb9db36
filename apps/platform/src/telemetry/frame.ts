import type { UpChannel } from "@tenfold/contracts";
import type { UpMessage } from "./message.ts";

/** The order is the number in the frame: only append. */
const channels = ["telemetry", "heartbeat", "events", "logs", "state", "deployment", "command"] as const satisfies UpChannel[];
const transports = ["mqtt", "https"] as const;
const version = 1;
const fixedBytes = 3 + 8;

/** A message as bytes of the journal: version, channel, transport (u8 each), received at (f64), four texts with a length byte, payload. */
export function encodeFrame(message: UpMessage): Buffer {
  const texts = [message.device, message.scope.fleet, message.id ?? "", message.remoteAddress ?? ""].map((text) =>
    Buffer.from(text),
  );
  const head = Buffer.allocUnsafe(fixedBytes);
  head.writeUInt8(version, 0);
  head.writeUInt8(channels.indexOf(message.channel), 1);
  head.writeUInt8(transports.indexOf(message.transport), 2);
  head.writeDoubleBE(message.receivedAt, 3);
  const parts: Buffer[] = [head];
  for (const text of texts) {
    if (text.length > 255) throw new RangeError("A device, fleet, id or address is longer than 255 bytes.");
    parts.push(Buffer.of(text.length), text);
  }
  return Buffer.concat([...parts, message.payload]);
}

/** Reads what `encodeFrame` wrote; undefined when this version cannot. */
export function decodeFrame(frame: Buffer): UpMessage | undefined {
  if (frame.length < fixedBytes + 4 || frame[0] !== version) return undefined;
  const channel = channels[frame.readUInt8(1)];
  const transport = transports[frame.readUInt8(2)];
  if (channel === undefined || transport === undefined) return undefined;
  const texts: string[] = [];
  let at = fixedBytes;
  for (let i = 0; i < 4; i++) {
    const length = frame[at];
    if (length === undefined || at + 1 + length > frame.length) return undefined;
    texts.push(frame.toString("utf8", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const [device = "", fleet = "", id = "", remoteAddress = ""] = texts;
  return {
    device,
    scope: { fleet },
    channel,
    ...(id === "" ? {} : { id }),
    payload: frame.subarray(at),
    receivedAt: frame.readDoubleBE(3),
    transport,
    ...(remoteAddress === "" ? {} : { remoteAddress }),
  };
}
