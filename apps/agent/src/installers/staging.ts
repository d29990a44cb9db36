import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { deviceProblems, type Slot, type Slots } from "@tenfold/device";

/** Installs the file that was received. Rejects as `Slots.install`. */
export type Install = (file: string, how: { slot: Slot; onProgress: (share: number) => void }) => Promise<void>;

export type Staging = {
  readonly folder: string;
  /** The ending that the machine's installer expects. */
  readonly extension: string;
  readonly install: Install;
  /** Notes durably what lies in the slot now. */
  installed(slot: Slot, release: Parameters<Slots["install"]>[1]): Promise<void>;
  /** Notes durably that nobody knows what lies in the slot. */
  uninstalled(slot: Slot): Promise<void>;
};

/**
 * Slots that only another program writes: what is received lies in one file until that program has installed it, whole and verified by its hash.
 */
export function stagedSlots({ folder, extension, install, installed, uninstalled }: Staging): Slots & { close(): Promise<void> } {
  const path = join(folder, `staged.${extension}`);
  let writing: FileHandle | undefined;
  const sizeOf = async () => (await stat(path).catch(() => undefined))?.size ?? 0;
  const close = async () => {
    await writing?.close();
    writing = undefined;
  };
  const opened = async (): Promise<FileHandle> => {
    writing ??= await open(path, "a", 0o600);
    return writing;
  };
  return {
    close,
    async erase() {
      await close();
      await rm(path, { force: true });
    },
    async keep(_slot, bytes) {
      await close();
      const size = await sizeOf();
      if (size > bytes) await truncate(path, bytes);
      return Math.min(size, bytes);
    },
    append: async (_slot, chunk) => void (await (await opened()).writeFile(chunk)),
    flush: async () => (await opened()).datasync(),
    async digest() {
      const hash = createHash("sha256");
      for await (const chunk of createReadStream(path)) hash.update(chunk);
      return { sha256: hash.digest("hex"), size: await sizeOf() };
    },
    async install(slot, release, onProgress) {
      await close();
      if ((await sizeOf()) !== release.signed.artifact.size) throw deviceProblems.install_failed(`${path} is not there any more.`);
      // From here on the slot is being written by somebody else: what it held counts no more.
      await uninstalled(slot);
      await install(path, { slot, onProgress });
      await installed(slot, release);
      await rm(path, { force: true });
    },
  };
}
