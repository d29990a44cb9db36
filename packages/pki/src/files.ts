import { chmod, mkdir, open, readFile, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pkiProblems } from "./errors.ts";

/** Writes a file so that after a crash it is either the old one or the new one: temporary file, fsync, rename, fsync of the folder. */
export async function writeFileAtomically(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = join(dirname(path), `.${process.pid}.${Math.trunc(performance.now() * 1_000)}.tmp`);
  const file = await open(temporary, "wx", mode);
  try {
    await file.writeFile(content);
    // The mode given to `open` is cut by the umask; a key must have exactly this one.
    await file.chmod(mode);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const folder = await open(dirname(path), "r");
  await folder.sync().finally(() => folder.close());
}

/** The text of a file that only its owner may read; undefined when there is none. Throws `key_file_unusable` for another mode. */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(undefinedIfAbsent);
  if (found === undefined) return undefined;
  if ((found.mode & 0o077) !== 0) {
    throw pkiProblems.key_file_unusable(`The key file ${path} can be read by others (mode ${(found.mode & 0o777).toString(8)}).`, {
      fix: `Run: chmod 600 ${path}`,
    });
  }
  return readFile(path, "utf8");
}

export async function readOptionalFile(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(undefinedIfAbsent);
}

function undefinedIfAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
  return undefined;
}

export const makePrivateFolder = async (path: string): Promise<void> => {
  await mkdir(path, { recursive: true, mode: 0o700 });
  await chmod(path, 0o700);
};
