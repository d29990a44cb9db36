import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { days, defineProblems } from "@tenfold/base";

export const blobProblems = defineProblems({ blob_hash_mismatch: 422, blob_too_large: 413 });

export type PutOptions = {
  /** What the bytes must hash to, lower-case hex; other bytes are refused and leave nothing behind. */
  sha256?: string;
  maxBytes: number;
};

/** Bytes by their SHA-256. A name that exists always has exactly its bytes, also after a power cut. */
export type Blobs = {
  put(source: Readable, options: PutOptions): Promise<{ sha256: string; size: number }>;
  /** Forgets the bytes. What is not there is no error. Only for those who know that nobody else counts on them. */
  remove(sha256: string): Promise<void>;
  stat(sha256: string): Promise<{ size: number } | undefined>;
  /** `end` is inclusive, as in HTTP ranges. */
  read(sha256: string, range?: { start: number; end: number }): Readable;
};

/** Content-addressed files below `dir`: two levels, so that no folder holds more than a few thousand. */
export async function openBlobs(dir: string): Promise<Blobs> {
  const incoming = join(dir, "incoming");
  await mkdir(incoming, { recursive: true });
  await sweep(incoming);
  const pathOf = (sha256: string) => join(dir, sha256.slice(0, 2), sha256);

  return {
    async put(source, { sha256: wanted, maxBytes }) {
      const temporary = join(incoming, randomUUID());
      try {
        const written = await writeHashed(source, temporary, maxBytes);
        if (wanted !== undefined && wanted !== written.sha256) {
          throw blobProblems.blob_hash_mismatch(`The bytes hash to ${written.sha256}, not to ${wanted}.`, {
            fix: "Send the file again; it was damaged on the way, or is another file.",
          });
        }
        const path = pathOf(written.sha256);
        await mkdir(dirname(path), { recursive: true });
        await rename(temporary, path);
        await syncFolder(dirname(path));
        return written;
      } finally {
        await rm(temporary, { force: true });
      }
    },
    async stat(sha256) {
      const found = await stat(pathOf(sha256)).catch(() => undefined);
      return found === undefined ? undefined : { size: found.size };
    },
    remove: (sha256) => rm(pathOf(sha256), { force: true }),
    read: (sha256, range) => createReadStream(pathOf(sha256), range),
  };
}

/** What a process left half-written has no name yet, so nobody can miss it; but another process of the installation may be writing now. */
async function sweep(incoming: string): Promise<void> {
  for (const name of await readdir(incoming)) {
    const path = join(incoming, name);
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > abandonedMs) await rm(path, { recursive: true, force: true });
  }
}

const abandonedMs = days(1);

async function writeHashed(source: Readable, path: string, maxBytes: number): Promise<{ sha256: string; size: number }> {
  const hash = createHash("sha256");
  let size = 0;
  await pipeline(
    source,
    async function* count(chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        size += chunk.length;
        if (size > maxBytes) throw blobProblems.blob_too_large(`An artifact may have at most ${maxBytes} bytes.`);
        hash.update(chunk);
        yield chunk;
      }
    },
    createWriteStream(path, { flush: true }),
  );
  return { sha256: hash.digest("hex"), size };
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
