import { BadPacket, malformed, reasons, type Violation } from "./reasons.ts";

/** One control packet as it stood on the wire: the first byte, and what follows the remaining length. */
export type Frame = {
  is: "frame";
  first: number;
  /** What follows the remaining length stands here from `from` to before `to`; valid for as long as it is held. A view of its own would cost more than reading it. */
  bytes: Buffer;
  from: number;
  to: number;
  /** Whether the remaining length was written in as few bytes as possible [MQTT-1.5.5-1]. */
  minimal: boolean;
};

const nothing = Buffer.alloc(0);
const more = { is: "more" } as const;

/**
 * Cuts a stream of bytes into packets. Holds at most one unfinished packet, whose declared length was judged before any of it was
 * kept, and costs linear time however small the pieces are that the bytes arrive in.
 */
export class FrameReader {
  #bytes: Buffer = nothing;
  #start = 0;
  #end = 0;
  /** Whether `#bytes` was allocated here, so that there is room behind `#end` to write to. */
  #own = false;

  /** Bytes that no call of `next` has given out yet. */
  get held(): number {
    return this.#end - this.#start;
  }

  push(chunk: Buffer): void {
    if (this.held === 0) {
      this.#bytes = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      this.#own = false;
      return;
    }
    if (!this.#own || this.#bytes.length - this.#end < chunk.length) this.#grow(chunk.length);
    chunk.copy(this.#bytes, this.#end);
    this.#end += chunk.length;
  }

  /** The next packet; `more` when bytes are missing; a violation when there can be none within `limit` bytes. */
  next(limit: number): Frame | typeof more | { is: "bad"; violation: Violation } {
    const [bytes, start, end] = [this.#bytes, this.#start, this.#end];
    let length = 0;
    for (let i = 1; i <= 4; i++) {
      if (start + i >= end) return more;
      // `start + i` is below `end`, which is never above the buffer's length.
      const byte = bytes[start + i] as number;
      length += (byte & 0x7f) << (7 * (i - 1));
      if (byte & 0x80) continue;
      const [body, total] = [start + i + 1, i + 1 + length];
      if (total > limit) return { is: "bad", violation: tooLarge(total, limit) };
      if (body + length > end) return more;
      this.#start = body + length;
      return {
        is: "frame",
        first: bytes[start] as number,
        bytes,
        from: body,
        to: body + length,
        minimal: i === 1 || byte !== 0,
      };
    }
    return { is: "bad", violation: malformed("The remaining length takes more than four bytes.").violation };
  }

  /** Lets go of everything held. */
  clear(): void {
    this.#bytes = nothing;
    this.#start = 0;
    this.#end = 0;
  }

  // What was given out stays untouched: the rest moves to a new buffer, twice as large, so that growing costs linear time in all.
  #grow(by: number): void {
    const held = this.held;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * held, held + by, 256));
    this.#bytes.copy(larger, 0, this.#start, this.#end);
    this.#bytes = larger;
    this.#start = 0;
    this.#end = held;
    this.#own = true;
  }
}

const tooLarge = (size: number, limit: number): Violation =>
  new BadPacket({
    reason: reasons.packetTooLarge,
    because: "packet_too_large",
    detail: `A packet of ${size} bytes is larger than the ${limit} allowed here.`,
  }).violation;
