import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Blobs } from "./port.ts";
import { openSpool } from "./spool.ts";

/** Content-addressed files below `dir`: two levels, so that no folder holds more than a few thousand. */
export async function openBlobs(dir: string): Promise<Blobs> {
  const spool = await openSpool(join(dir, "incoming"));
  const pathOf = (sha256: string) => join(dir, sha256.slice(0, 2), sha256);

  return {
    put: (source, options) =>
      spool.take(source, options, async ({ path: spooled, sha256, size }) => {
        const path = pathOf(sha256);
        await mkdir(dirname(path), { recursive: true });
        await rename(spooled, path);
        await syncFolder(dirname(path));
        return { sha256, size };
      }),
    async stat(sha256) {
      const found = await stat(pathOf(sha256)).catch(() => undefined);
      return found === undefined ? undefined : { size: found.size };
    },
    remove: (sha256) => rm(pathOf(sha256), { force: true }),
    read: (sha256, range) => createReadStream(pathOf(sha256), range),
  };
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
