import { createHash, randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { days } from "@tenfold/base";
import { blobProblems, type PutOptions } from "./port.ts";

export type Spooled = { path: string; sha256: string; size: number };

/** A folder where bytes wait until it is known what they are. */
export async function openSpool(folder: string): Promise<{
  /** Writes all of `source` to a file, flushed, and hands it to `use`; then the file is gone. Throws before `use` where bytes or size are wrong. */
  take<Done>(source: Readable, options: PutOptions, use: (spooled: Spooled) => Promise<Done>): Promise<Done>;
}> {
  await mkdir(folder, { recursive: true });
  await sweep(folder);
  return {
    async take(source, { sha256: wanted, maxBytes }, use) {
      const path = join(folder, randomUUID());
      try {
        const written = await writeHashed(source, path, maxBytes);
        if (wanted !== undefined && wanted !== written.sha256) {
          throw blobProblems.blob_hash_mismatch(`The bytes hash to ${written.sha256}, not to ${wanted}.`, {
            fix: "Send the file again; it was damaged on the way, or is another file.",
          });
        }
        return await use({ path, ...written });
      } finally {
        await rm(path, { force: true });
      }
    },
  };
}

/** What a process left half-written has no name yet, so nobody can miss it; but another process of the installation may be writing now. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
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
