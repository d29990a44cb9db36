import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";

/**
 * U-Boot's environment in two copies (`CONFIG_SYS_REDUNDAND_ENVIRONMENT`): CRC-32 of the variables, a counter, then `name=value` with NUL bytes
 * between. The valid copy with the later counter holds; a write goes to the other one, so that a power cut leaves one of them whole.
 */
export type Variables = Map<string, string>;

export const copyBytes = 0x4000;
const headBytes = 5;

type Copy = { path: string; counter: number; variables: Variables };

export function readEnvironment(copies: readonly string[]): Variables {
  return latest(copies)?.variables ?? new Map();
}

export function writeEnvironment(copies: readonly string[], variables: Variables): void {
  const current = latest(copies);
  const path = copies.find((one) => one !== current?.path) ?? copies[0];
  if (path === undefined) throw new Error("The boot loader has no environment to write.");
  const text = [...variables].map(([name, value]) => `${name}=${value}\0`).join("");
  const bytes = Buffer.alloc(copyBytes);
  if (Buffer.byteLength(text) + 1 > copyBytes - headBytes) throw new Error("The boot loader's environment is full.");
  bytes.write(text, headBytes, "latin1");
  bytes.writeUInt32LE(crc32(bytes.subarray(headBytes)), 0);
  bytes[4] = ((current?.counter ?? 0) + 1) % 256;
  const file = openSync(path, "a+");
  closeSync(file);
  const target = openSync(path, "r+");
  try {
    writeSync(target, bytes, 0, bytes.length, 0);
    fsyncSync(target);
  } finally {
    closeSync(target);
  }
}

function latest(copies: readonly string[]): Copy | undefined {
  const valid = copies.flatMap((path) => readCopy(path));
  // The counter goes round: 0 comes after 255.
  return valid.toSorted((a, b) => ((a.counter - b.counter + 384) % 256) - 128).at(-1);
}

function readCopy(path: string): Copy[] {
  try {
    const bytes = readFileSync(path);
    if (bytes.length < copyBytes || bytes.readUInt32LE(0) !== crc32(bytes.subarray(headBytes, copyBytes))) return [];
    const variables: Variables = new Map();
    for (const entry of bytes.subarray(headBytes, copyBytes).toString("latin1").split("\0")) {
      if (entry === "") break;
      const at = entry.indexOf("=");
      if (at > 0) variables.set(entry.slice(0, at), entry.slice(at + 1));
    }
    return [{ path, counter: bytes[4] ?? 0, variables }];
  } catch {
    return [];
  }
}
