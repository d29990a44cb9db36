/**
 * The messages of p11-kit's remote protocol (versions 0 to 2, p11-kit 0.24 and newer): a call's number, its signature, its values. All
 * numbers are big-endian; a CK_ULONG has 8 bytes. The signature's letters: y byte, u CK_ULONG, s padded text, v version, ay/au/aA arrays of bytes,
 * CK_ULONG and attributes, fy/fu/fA room for one, M mechanism.
 */
import { pkiProblems } from "../errors.ts";
import { byteAttributes, ulongAttributes } from "./names.ts";

export const rpcCalls = {
  error: { id: 0, request: "", response: "u" },
  C_Initialize: { id: 1, request: "ayyay", response: "" },
  C_Finalize: { id: 2, request: "", response: "" },
  C_GetInfo: { id: 3, request: "", response: "vsusv" },
  C_GetSlotList: { id: 4, request: "yfu", response: "au" },
  C_GetSlotInfo: { id: 5, request: "u", response: "ssuvv" },
  C_GetTokenInfo: { id: 6, request: "u", response: "ssssuuuuuuuuuuuvvs" },
  C_GetMechanismList: { id: 7, request: "ufu", response: "au" },
  C_GetMechanismInfo: { id: 8, request: "uu", response: "uuu" },
  C_OpenSession: { id: 10, request: "uu", response: "u" },
  C_CloseSession: { id: 11, request: "u", response: "" },
  C_CloseAllSessions: { id: 12, request: "u", response: "" },
  C_GetSessionInfo: { id: 13, request: "u", response: "uuuu" },
  C_Login: { id: 18, request: "uuay", response: "" },
  C_Logout: { id: 19, request: "u", response: "" },
  C_DestroyObject: { id: 22, request: "uu", response: "" },
  C_GetAttributeValue: { id: 24, request: "uufA", response: "aAu" },
  C_FindObjectsInit: { id: 26, request: "uaA", response: "" },
  C_FindObjects: { id: 27, request: "ufu", response: "au" },
  C_FindObjectsFinal: { id: 28, request: "u", response: "" },
  C_SignInit: { id: 42, request: "uMu", response: "" },
  C_Sign: { id: 43, request: "uayfy", response: "ay" },
  C_GenerateKeyPair: { id: 59, request: "uMaAaA", response: "uu" },
} as const;

export type RpcCall = keyof typeof rpcCalls;

/** The newest version that we speak. Who connects names his in the first byte; the other side answers with the lower of both. */
export const newestVersion = 2;

/** What C_Initialize must carry; it names the protocol. */
export const handshake = Buffer.from("PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1");

/** An attribute of an object. Undefined: the token has no such attribute, or does not show it. */
export type Attribute = { readonly type: number; readonly value: Buffer | bigint | boolean | undefined };

/** A frame may have this many bytes; what we ask for and answer has far less. */
const largestFrame = 1024 * 1024;
const headSize = 12;

const malformed = (why: string) => pkiProblems.key_store_unreachable(`The token's helper sent what is no message: ${why}.`);

/** Writes a call's values in the order of its signature. */
export class RpcWriter {
  readonly #parts: Buffer[] = [];
  readonly #version: number;

  constructor(version: number) {
    this.#version = version;
  }

  byte(value: number): this {
    return this.#add(Buffer.from([value]));
  }

  u32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return this.#add(bytes);
  }

  ulong(value: bigint | number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(value));
    return this.#add(bytes);
  }

  text(value: string, size: number): this {
    return this.u32(size).#add(Buffer.from(value.slice(0, size).padEnd(size, " "), "latin1"));
  }

  version(major: number, minor: number): this {
    return this.byte(major).byte(minor);
  }

  bytes(value: Uint8Array): this {
    return this.byte(1).u32(value.length).#add(Buffer.from(value));
  }

  /** Only how long the bytes would be, for who asks before he makes room. */
  sizeOfBytes(size: number): this {
    return this.byte(0).u32(size);
  }

  room(count: number): this {
    return this.u32(count);
  }

  ulongs(values: readonly bigint[]): this {
    this.byte(1).u32(values.length);
    for (const value of values) this.ulong(value);
    return this;
  }

  /** One without parameters. Before version 2 that was said by the count of a missing string. */
  mechanism(type: number): this {
    this.u32(type);
    return this.#version < 2 ? this.u32(0xffff_ffff) : this;
  }

  roomForAttributes(wanted: readonly { type: number; size: number }[]): this {
    this.u32(wanted.length);
    for (const { type, size } of wanted) this.u32(type).u32(size);
    return this;
  }

  attributes(attributes: readonly Attribute[]): this {
    this.u32(attributes.length);
    for (const one of attributes) this.#attribute(one);
    return this;
  }

  #attribute({ type, value }: Attribute): void {
    this.u32(type).byte(value === undefined ? 0 : 1);
    if (value === undefined) return;
    if (typeof value === "boolean") this.u32(1).byte(value ? 1 : 0);
    else if (typeof value === "bigint") this.u32(8).ulong(value);
    else this.u32(value.length).u32(value.length).#add(value);
  }

  #add(bytes: Buffer): this {
    this.#parts.push(bytes);
    return this;
  }

  done(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Reads a call's values. Throws `key_store_unreachable` when there are fewer bytes than promised. */
export class RpcReader {
  readonly #bytes: Buffer;
  readonly #version: number;
  #at = 0;

  constructor(bytes: Buffer, version: number) {
    this.#bytes = bytes;
    this.#version = version;
  }

  byte(): number {
    return this.#take(1)[0] ?? 0;
  }

  u32(): number {
    return this.#take(4).readUInt32BE();
  }

  ulong(): bigint {
    return this.#take(8).readBigUInt64BE();
  }

  text(): string {
    return this.#take(this.u32()).toString("latin1").trimEnd();
  }

  /** Undefined where only a size was sent. */
  bytes(): Buffer | undefined {
    if (this.byte() === 0) {
      this.u32();
      return undefined;
    }
    return this.#counted();
  }

  ulongs(): bigint[] {
    const present = this.byte() !== 0;
    const count = this.u32();
    if (!present) return [];
    if (count > largestFrame / 8) throw malformed("a list is too long");
    return Array.from({ length: count }, () => this.ulong());
  }

  mechanism(): number {
    const type = this.u32();
    if (this.#version < 2) this.#counted();
    return type;
  }

  roomForAttributes(): { type: number; size: number }[] {
    const count = this.u32();
    if (count > 1_000) throw malformed("too many attributes are asked for");
    return Array.from({ length: count }, () => ({ type: this.u32(), size: this.u32() }));
  }

  attributes(): Attribute[] {
    const count = this.u32();
    if (count > 1_000) throw malformed("there are too many attributes");
    return Array.from({ length: count }, () => this.#attribute());
  }

  #attribute(): Attribute {
    const type = this.u32();
    if (this.byte() === 0) return { type, value: undefined };
    const size = this.u32();
    if (byteAttributes.has(type)) return { type, value: this.byte() !== 0 };
    if (ulongAttributes.has(type)) return { type, value: this.ulong() };
    // The bytes' own count: their encoding may be shorter than the room that the attribute takes.
    const value = this.#counted();
    if (value.length > size) throw malformed("an attribute is longer than it says");
    return { type, value };
  }

  #counted(): Buffer {
    const size = this.u32();
    return size === 0xffff_ffff ? Buffer.alloc(0) : this.#take(size);
  }

  #take(size: number): Buffer {
    if (size > this.#bytes.length - this.#at) throw malformed("it ends too early");
    const taken = this.#bytes.subarray(this.#at, this.#at + size);
    this.#at += size;
    return taken;
  }
}

/** A whole message: the call's number and signature before its values. */
export function writeMessage(call: RpcCall, direction: "request" | "response", values: Buffer): Buffer {
  const { id, [direction]: signature } = rpcCalls[call];
  const head = new RpcWriter(newestVersion).u32(id).u32(signature.length).done();
  return Buffer.concat([head, Buffer.from(signature), values]);
}

/** Which call a message is of, and its values. A number that we do not know, or another signature, is refused. */
export function readMessage(message: Buffer, direction: "request" | "response"): { call: RpcCall; values: Buffer } {
  if (message.length < 8) throw malformed("it has no head");
  const id = message.readUInt32BE(0);
  const known = (Object.keys(rpcCalls) as RpcCall[]).find((name) => rpcCalls[name].id === id);
  const size = message.readUInt32BE(4);
  if (known === undefined || size > 64 || message.length < 8 + size) throw malformed(`call ${id} is not known`);
  if (message.toString("latin1", 8, 8 + size) !== rpcCalls[known][direction])
    throw malformed(`${known} has another signature than ours`);
  return { call: known, values: message.subarray(8 + size) };
}

/** A message as it travels: a number that the answer repeats, no options, and its length. */
export function frame(number: number, message: Buffer): Buffer {
  const head = Buffer.alloc(headSize);
  head.writeUInt32BE(number, 0);
  head.writeUInt32BE(message.length, 8);
  return Buffer.concat([head, message]);
}

/** Cuts the first frame from what has come; undefined when it is not whole yet. Throws when it says to be larger than any is. */
export function takeFrame(bytes: Buffer): { number: number; message: Buffer; rest: Buffer } | undefined {
  if (bytes.length < headSize) return undefined;
  const [options, size] = [bytes.readUInt32BE(4), bytes.readUInt32BE(8)];
  if (options > largestFrame || size > largestFrame) throw malformed("it is too long");
  const end = headSize + options + size;
  if (bytes.length < end) return undefined;
  return { number: bytes.readUInt32BE(0), message: bytes.subarray(headSize + options, end), rest: bytes.subarray(end) };
}
