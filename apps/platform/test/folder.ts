import { chmod, mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type DataFolder = AsyncDisposable & { path: string };

/** An empty data folder, in memory where there is room; gone with everything in it when the test disposes of it. */
export async function dataFolder(): Promise<DataFolder> {
  const memory = "/dev/shm";
  const room = await statfs(memory).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  );
  const path = await mkdtemp(join(room > 2 ** 30 ? memory : tmpdir(), "tenfold-test-platform-"));
  // mkdtemp makes it for us alone, and as root PostgreSQL runs as somebody else.
  await chmod(path, 0o755);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}
