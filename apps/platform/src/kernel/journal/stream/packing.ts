import { encodeRecord, readRecord } from "../record.ts";

/** A frame as it stands in a message of the stream: the same record, with its CRC, as in a segment file. */
export const packed = (frame: Uint8Array): Buffer => encodeRecord("frame", frame);

/** The frames of a message; undefined when it is not, to the last byte, what was sent. They share the message's memory. */
export function unpack(message: Buffer): Buffer[] | undefined {
  const frames: Buffer[] = [];
  for (let at = 0; at < message.length; ) {
    const read = readRecord(message, at);
    if (read.is !== "record" || read.kind !== "frame") return undefined;
    frames.push(read.payload);
    at = read.next;
  }
  return frames;
}
