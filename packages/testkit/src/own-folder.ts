import { readdirSync, readFileSync, rmSync } from "node:fs";
import { chmod, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isGone } from "./owners.ts";

/**
 * A new folder below the system's temporary one, named after its kind and this process. Those of the same kind whose processes are gone are taken away:
 * they were killed before they could. Others may pass through it, because an embedded database runs as somebody else.
 */
export async function ownFolder(kind: string): Promise<string> {
  const prefix = `tenfold-${kind}-`;
  const mounted = mountPoints();
  for (const name of readdirSync(tmpdir())) {
    const owner = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    const path = join(tmpdir(), name);
    // What is still mounted in it is not ours to empty.
    if (owner === undefined || !isGone(Number(owner)) || mounted.some((point) => point.startsWith(path))) continue;
    try {
      rmSync(path, { recursive: true, force: true, maxRetries: 3 });
    } catch {
      // A process of it may be ending just now; the next one looks again.
    }
  }
  const path = await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`));
  await chmod(path, 0o755);
  return path;
}

/** Where file systems are mounted. */
export function mountPoints(): string[] {
  try {
    return readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .map((line) => line.split(" ")[1] ?? "");
  } catch {
    return [];
  }
}
