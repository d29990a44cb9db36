/** Reads and writes the TPM's structures (TPM 2.0 Library, part 2, annex on marshalling): big-endian, counted byte strings (TPM2B). */
import { pkiProblems } from "../errors.ts";

/** No structure that we exchange is longer. */
const longest = 16 * 1024;

export const malformed = (why: string) =>
  pkiProblems.tpm_malformed(`This is no TPM structure: ${why}.`, {
    fix: "Send the bytes as the TPM gave them, without the size in front unless the field says TPM2B.",
  });

export class TpmReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    if (bytes.length > longest) throw malformed(`it has ${bytes.length} bytes`);
    this.#bytes = Buffer.from(bytes);
  }

  u8(): number {
    return this.take(1).readUInt8();
  }

  u16(): number {
    return this.take(2).readUInt16BE();
  }

  u32(): number {
    return this.take(4).readUInt32BE();
  }

  u64(): bigint {
    return this.take(8).readBigUInt64BE();
  }

  /** A TPM2B: a size, and so many bytes; `most` bounds it. */
  sized(most: number): Buffer {
    const size = this.u16();
    if (size > most) throw malformed(`a field has ${size} bytes where ${most} are the most`);
    return this.take(size);
  }

  take(size: number): Buffer {
    if (size > this.#bytes.length - this.#at) throw malformed("it ends too early");
    const taken = this.#bytes.subarray(this.#at, this.#at + size);
    this.#at += size;
    return taken;
  }

  rest(): Buffer {
    return this.take(this.#bytes.length - this.#at);
  }

  /** Bytes behind the end would be bytes that nobody signed or looked at. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw malformed(`${this.#bytes.length - this.#at} bytes follow its end`);
  }
}

export const u8 = (value: number): Buffer => Buffer.from([value]);

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export const sized = (...parts: readonly Uint8Array[]): Buffer => {
  const bytes = Buffer.concat(parts);
  return Buffer.concat([u16(bytes.length), bytes]);
};
