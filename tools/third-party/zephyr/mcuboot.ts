/** What MCUboot does at a start, on a flash that is a file: the image that is pending is tried once, and the one before it comes back if it was not confirmed. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

// native_posix.dts
const slot = { size: 0x69000, first: 0xc000, second: 0x75000 };
const flashSize = 0x100000;
// [MCUboot design, "image trailer"] From the end of a slot: magic, image-ok, copy-done, each aligned to 8.
const magic = Buffer.from("77c295f360d2ef7f3552500f2cb67980", "hex");
const [magicAt, imageOkAt, copyDoneAt] = [slot.size - 16, slot.size - 24, slot.size - 32];
const trailerSize = 4_096;

/** The maker's `imgtool`, and the key with which images are signed. */
export type ImgTool = { python: string; script: string; key: string };

/** Signs a payload as an image of MCUboot. */
export async function signImage(tool: ImgTool, { payload, version, file }: { payload: string; version: string; file: string }) {
  const size = ["--header-size", "0x200", "--pad-header", "--align", "8", "--slot-size", "0x80000"];
  await run(tool.python, [tool.script, "sign", "--key", tool.key, "--version", version, ...size, payload, file]);
}

/** A board as it leaves the factory, with this image. */
export async function factoryFlash(path: string, image: Buffer): Promise<void> {
  const flash = Buffer.alloc(flashSize, 0xff);
  image.copy(flash, slot.first);
  await writeFile(path, flash);
}

const isImage = (bytes: Buffer): boolean => bytes.readUInt32LE(0) === 0x96f3b83d;

/** The version and payload of the image that a start runs. */
export type Started = { version: string; payload: Buffer };

/** Swaps what is to be swapped, and says what runs now. */
export async function bootFlash(path: string, tool: ImgTool): Promise<Started> {
  const flash = await readFile(path);
  const [first, second] = [
    flash.subarray(slot.first, slot.first + slot.size),
    flash.subarray(slot.second, slot.second + slot.size),
  ];
  const pending = second.subarray(magicAt).equals(magic);
  const unconfirmed = first.subarray(magicAt).equals(magic) && first[imageOkAt] !== 1;
  if (unconfirmed) swap({ first, second, as: "confirmed" });
  else if (pending && (await verifies(second, path, tool))) swap({ first, second, as: "trial" });
  else if (pending) second.fill(0xff);
  await writeFile(path, flash);
  const header = { version: `${first[20]}.${first[21]}.${first.readUInt16LE(22)}`, size: first.readUInt32LE(12) };
  return { version: header.version, payload: Buffer.from(first.subarray(0x200, 0x200 + header.size)) };
}

function swap({ first, second, as }: { first: Buffer; second: Buffer; as: "trial" | "confirmed" }): void {
  const kept = Buffer.from(first);
  second.copy(first);
  kept.copy(second);
  for (const one of [first, second]) one.fill(0xff, slot.size - trailerSize);
  magic.copy(first, magicAt);
  first[copyDoneAt] = 1;
  if (as === "confirmed") first[imageOkAt] = 1;
}

async function verifies(image: Buffer, path: string, { python, script, key }: ImgTool): Promise<boolean> {
  if (!isImage(image)) return false;
  const file = `${path}.candidate`;
  await writeFile(file, image.subarray(0, slot.size - trailerSize));
  return run(python, [script, "verify", "--key", key, file]).then(
    () => true,
    () => false,
  );
}
