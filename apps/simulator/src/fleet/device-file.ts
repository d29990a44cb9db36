import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BootRecord, Credentials, DeviceTrust, Identity, Memory, Slot, TrustBundle } from "@tenfold/device";
import type { PretendCrash } from "./pretend-crash.ts";
import type { PretendImage } from "./pretend-slots.ts";

/** All that a pretend device is, between two runs of the simulator. */
export type DeviceFile = {
  id: string;
  model: string;
  /** The manufacturer's identity (IDevID). */
  idevid: Identity;
  credentials?: Credentials;
  /** The roots that it believes, and the ones that it was made with; absent until it was told of others. */
  trust?: TrustBundle & { configured: string };
  memory?: Memory;
  /** Signed metadata that the device believes. */
  metadata?: DeviceTrust;
  boot: BootRecord;
  images: Partial<Record<Slot, PretendImage>>;
  boots: number;
  /** What the last crash left behind, until the platform has it. */
  crash?: PretendCrash;
  /** The version whose crash is there or was sent: one of each is enough. */
  crashed?: string;
};

const pathOf = (folder: string, id: string): string => join(folder, "devices", `${encodeURIComponent(id)}.json`);

export async function loadDeviceFile(folder: string, id: string): Promise<DeviceFile | undefined> {
  try {
    // Only this program writes these files, and each write is whole or absent.
    return JSON.parse(await readFile(pathOf(folder, id), "utf8")) as DeviceFile;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Whole or not at all. It is not flushed to the disk: a simulated fleet may forget its last second when the machine loses power. */
export async function saveDeviceFile(folder: string, file: DeviceFile): Promise<void> {
  await mkdir(join(folder, "devices"), { recursive: true, mode: 0o700 });
  const path = pathOf(folder, file.id);
  await writeFile(`${path}.new`, JSON.stringify(file), { mode: 0o600 });
  await rename(`${path}.new`, path);
}
