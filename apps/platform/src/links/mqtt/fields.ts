import { isUtf8 } from "node:buffer";
import { malformed } from "./reasons.ts";

/** Reads the fields of one packet, front to back. Every method throws `BadPacket` where the bytes do not hold what it reads. */
export class Fields {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  byte(): number {
    this.#need(1);
    // `#need` has seen that the byte is there.
    return this.#bytes[this.#at++] as number;
  }

  uint16(): number {
    return (this.byte() << 8) | this.byte();
  }

  uint32(): number {
    return this.uint16() * 65_536 + this.uint16();
  }

  /** [MQTT-1.5.5-1] At most four bytes, and no more than needed. */
  variable(): number {
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const byte = this.byte();
      value += (byte & 0x7f) << (7 * i);
      if (byte & 0x80) continue;
      if (byte === 0 && i > 0) throw malformed("A variable byte integer is longer than it need be.");
      return value;
    }
    throw malformed("A variable byte integer takes more than four bytes.");
  }

  /** [MQTT-1.5.4] Well-formed UTF-8 without U+0000, surrogates, other control characters or non-characters. */
  text(): string {
    const length = this.uint16();
    this.#need(length);
    const [bytes, start, end] = [this.#bytes, this.#at, this.#at + length];
    this.#at = end;
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number;
      if (byte < 0x20 || byte > 0x7e) return beyondAscii(bytes.subarray(start, end));
    }
    return bytes.toString("latin1", start, end);
  }

  binary(): Buffer {
    const length = this.uint16();
    this.#need(length);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  packetId(): number {
    const id = this.uint16();
    // [MQTT-2.2.1-3]
    if (id === 0) throw malformed("A packet identifier of zero.");
    return id;
  }

  /** A part of the packet, to be read by itself. */
  part(length: number): Fields {
    this.#need(length);
    this.#at += length;
    return new Fields(this.#bytes, this.#at - length, this.#at);
  }

  rest(): Buffer {
    const rest = this.#bytes.subarray(this.#at, this.#end);
    this.#at = this.#end;
    return rest;
  }

  end(): void {
    if (this.left > 0) throw malformed(`${this.left} bytes too many.`);
  }

  #need(count: number): void {
    if (this.#end - this.#at < count) throw malformed("The packet ends before its fields do.");
  }
}

// The standard forbids U+0000 and surrogates, and lets a receiver refuse the other two kinds [MQTT5 1.5.4]; nothing honest needs them.
const forbidden = /[\p{Cc}\p{Noncharacter_Code_Point}]/u;

function beyondAscii(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw malformed("A text that is not UTF-8.");
  const text = bytes.toString("utf8");
  if (forbidden.test(text)) throw malformed("A text with a control character or a non-character.");
  return text;
}
