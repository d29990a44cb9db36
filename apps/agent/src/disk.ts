import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { signedRelease } from "@tenfold/contracts";
import {
  type BootRecord,
  bootKeysOf,
  bootRecord,
  type DeviceTrust,
  type Memory,
  parseDeviceTrust,
  parseMemory,
  type Slot,
  type Slots,
} from "@tenfold/device";
import { type PublicKey, verifyRelease } from "@tenfold/ota";
import { makePrivateFolder, readOptionalFile, readPrivateFile, writeFileAtomically } from "@tenfold/pki";
import { z } from "zod";
import type { KeptCredentials } from "./keys.ts";

/** What stands beside an image: the release that was signed, or that the factory put nothing but a version there. */
const seal = z.union([
  z.strictObject({ release: signedRelease, installation: z.string().optional() }),
  z.strictObject({ factory: z.string() }),
]);
export type Seal = z.infer<typeof seal>;

/**
 * The agent's folder: `memory.json`, `boot.json`, `metadata.json`, `credentials.json` (0600) and `slots/{a,b}.{img,json}`. Every small file is replaced
 * whole and flushed; a slot without its `.json` cannot be started.
 */
export type Disk = {
  readonly folder: string;
  readonly slots: Slots;
  loadMemory(): Promise<Memory | undefined>;
  saveMemory(memory: Memory): Promise<void>;
  loadMetadata(): Promise<DeviceTrust | undefined>;
  saveMetadata(trust: DeviceTrust): Promise<void>;
  loadBoot(): Promise<BootRecord>;
  saveBoot(record: BootRecord): Promise<void>;
  loadCredentials(): Promise<KeptCredentials | undefined>;
  saveCredentials(credentials: KeptCredentials): Promise<void>;
  /** A key that waits for its certificate (PEM, or where it is), so that a request that is asked again after a power cut is the same request. */
  loadPendingKey(): Promise<string | undefined>;
  savePendingKey(key: string | undefined): Promise<void>;
  sealOf(slot: Slot): Promise<Seal | undefined>;
  /** For slots that another program writes: what lies there now, or that nobody knows. Durable. */
  noteSeal(slot: Slot, seal: Seal | undefined): Promise<void>;
  /** Where a slot's image lies; undefined where the factory put only a version there. */
  imageOf(slot: Slot): Promise<string | undefined>;
  /** Whether the boot loader may start a slot: the image has the hash that was signed, by a key that is trusted here. */
  startable(slot: Slot): Promise<boolean>;
  /** Lets go of the image that is being written. */
  close(): Promise<void>;
};

export async function openDisk(
  folder: string,
  { trustedKeys, firmwareVersion }: { trustedKeys: readonly PublicKey[]; firmwareVersion: string },
): Promise<Disk> {
  const at = (name: string) => join(folder, name);
  await makePrivateFolder(folder);
  await mkdir(at("slots"), { recursive: true, mode: 0o700 });
  // Last of the three, so that a first start that is cut off begins again.
  if ((await readOptionalFile(at("boot.json"))) === undefined) {
    // A device that was made with a signed image keeps it.
    if ((await readOptionalFile(at("slots/a.json"))) === undefined) await write(at("slots/a.json"), { factory: firmwareVersion });
    await write(at("boot.json"), { good: "a" } satisfies BootRecord);
  }
  const slots = fileSlots(at("slots"));
  const sealOf = async (slot: Slot) => {
    const text = await readOptionalFile(at(`slots/${slot}.json`));
    return text === undefined ? undefined : seal.safeParse(parseJson(text)).data;
  };
  const loadMetadata = async () => optional(await readOptionalFile(at("metadata.json")), parseDeviceTrust);
  return {
    folder,
    slots,
    loadMemory: async () => optional(await readOptionalFile(at("memory.json")), parseMemory),
    saveMemory: (memory) => write(at("memory.json"), memory),
    loadMetadata,
    saveMetadata: (trust) => write(at("metadata.json"), trust),
    loadBoot: async () => bootRecord.parse(JSON.parse((await readOptionalFile(at("boot.json"))) ?? "")),
    saveBoot: (record) => write(at("boot.json"), record),
    // Only this agent writes the file, with the mode that it checks.
    loadCredentials: async () =>
      optional(await readPrivateFile(at("credentials.json")), (text) => JSON.parse(text) as KeptCredentials),
    saveCredentials: (credentials) => write(at("credentials.json"), credentials),
    loadPendingKey: () => readPrivateFile(at("pending.key")),
    savePendingKey: (key) =>
      key === undefined ? rm(at("pending.key"), { force: true }) : writeFileAtomically(at("pending.key"), key, 0o600),
    sealOf,
    async noteSeal(slot, one) {
      if (one) return write(at(`slots/${slot}.json`), one);
      await rm(at(`slots/${slot}.json`), { force: true });
      await syncFolder(at("slots"));
    },
    async imageOf(slot) {
      const path = at(`slots/${slot}.img`);
      return (await stat(path).catch(() => undefined))?.isFile() ? path : undefined;
    },
    close: slots.close,
    async startable(slot) {
      const found = await sealOf(slot);
      if (found === undefined) return false;
      if ("factory" in found) return true;
      const { sha256, size } = await slots.digest(slot);
      const { artifact } = found.release.signed;
      const keys = bootKeysOf(await loadMetadata(), trustedKeys);
      return (
        sha256 === artifact.sha256 && size === artifact.size && verifyRelease(found.release, { trustedKeys: keys }).is === "trusted"
      );
    },
  };
}

const write = (path: string, value: unknown): Promise<void> => writeFileAtomically(path, `${JSON.stringify(value)}\n`, 0o600);
const optional = <T>(text: string | undefined, read: (text: string) => T): T | undefined =>
  text === undefined ? undefined : read(text);

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fileSlots(folder: string): Slots & { close(): Promise<void> } {
  const image = (slot: Slot) => join(folder, `${slot}.img`);
  const sheet = (slot: Slot) => join(folder, `${slot}.json`);
  let writing: { slot: Slot; handle: FileHandle } | undefined;

  const sizeOf = async (slot: Slot) => (await stat(image(slot)).catch(() => undefined))?.size ?? 0;
  const close = async () => {
    await writing?.handle.close();
    writing = undefined;
  };
  const opened = async (slot: Slot): Promise<FileHandle> => {
    if (writing?.slot === slot) return writing.handle;
    await close();
    writing = { slot, handle: await open(image(slot), "a", 0o600) };
    return writing.handle;
  };
  return {
    close,
    async erase(slot) {
      await close();
      // First the seal, durably: an empty slot must never look like one that can be started.
      await rm(sheet(slot), { force: true });
      await syncFolder(folder);
      await rm(image(slot), { force: true });
    },
    async keep(slot, bytes) {
      await close();
      const size = await sizeOf(slot);
      if (size > bytes) await truncate(image(slot), bytes);
      return Math.min(size, bytes);
    },
    append: async (slot, chunk) => void (await (await opened(slot)).writeFile(chunk)),
    flush: async (slot) => (await opened(slot)).datasync(),
    async digest(slot) {
      const hash = createHash("sha256");
      for await (const chunk of createReadStream(image(slot))) hash.update(chunk);
      return { sha256: hash.digest("hex"), size: await sizeOf(slot) };
    },
    async install(slot, release) {
      await (await opened(slot)).sync();
      await close();
      await syncFolder(folder);
      await write(sheet(slot), { release });
    },
  };
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  await handle.sync().finally(() => handle.close());
}
