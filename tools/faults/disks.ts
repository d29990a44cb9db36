import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Stage } from "./fault.ts";

const run = (command: string, ...words: string[]): string =>
  execFileSync(command, words, { encoding: "utf8", timeout: 60_000, stdio: ["ignore", "pipe", "pipe"] });

export type Image = { file: string; folder: string };

/** An ext4 file system in a file, mounted in the stage's folder. */
export function mountImage(stage: Stage, name: string, megabytes: number): Image {
  const file = join(stage.dir, `${name}.img`);
  run("truncate", "-s", `${megabytes}M`, file);
  run("mkfs.ext4", "-q", "-F", file);
  return mountCopy(stage, name, file);
}

/** Mounts an image; a journal in it is replayed, as after a power cut. */
export function mountCopy(stage: Stage, name: string, file: string): Image {
  const folder = join(stage.dir, name);
  mkdirSync(folder);
  run("mount", "-o", "loop", file, folder);
  stage.onEnd(() => unmount(folder));
  return { file, folder };
}

/** A file system in memory of this size. */
export function mountMemory(stage: Stage, name: string, megabytes: number): string {
  const folder = join(stage.dir, name);
  mkdirSync(folder);
  run("mount", "-t", "tmpfs", "-o", `size=${megabytes}m,mode=755`, "tmpfs", folder);
  stage.onEnd(() => unmount(folder));
  return folder;
}

/** Copies only what reached the disk: what is still in the mounted file system's memory is not in the file. */
export const copyImage = (from: string, to: string): string => run("cp", "--sparse=always", from, to);

/** Takes all the space that is left in a folder's file system, although others write to it; the file that holds it is returned. */
export function fill(folder: string): string {
  const file = join(folder, "filler");
  for (let leave = 16_384; leave < 64 * 1024 * 1024; leave *= 4) {
    const free = Number(run("df", "--output=avail", "-B1", folder).trim().split("\n").at(-1));
    try {
      run("fallocate", "-l", String(Math.max(4_096, free - leave)), file);
      return file;
    } catch {
      // Somebody wrote in between.
    }
  }
  throw new Error(`The file system of ${folder} could not be filled.`);
}

function unmount(folder: string): void {
  try {
    run("umount", folder);
  } catch {
    // A process of the platform may be ending just now: the file system goes when its last file is closed.
    run("umount", "-l", folder);
  }
}
