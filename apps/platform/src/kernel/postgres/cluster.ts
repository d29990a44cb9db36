import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { seconds } from "@tenfold/base";
import { giveTo } from "./account.ts";
import type { Binaries } from "./binaries.ts";
import type { Home } from "./home.ts";
import { postgresProblems } from "./problems.ts";
import { type Server, user } from "./server.ts";

const run = promisify(execFile);

/** Makes the cluster on the first start: beside its place, then moved there, so that a half-made one is never used. */
export async function initialise({ home, account, binaries, log, keeps }: Server): Promise<void> {
  if (existsSync(join(home.cluster, "PG_VERSION"))) return assertVersion(home, binaries);
  const fresh = `${home.cluster}.new`;
  await rm(fresh, { recursive: true, force: true });
  const passwordFile = join(home.socket, "first-password");
  await writeFile(passwordFile, home.password, { mode: 0o600 });
  await giveTo(passwordFile, account);
  log.info("postgres.creating", { folder: home.cluster });
  const args = [
    "-D",
    fresh,
    "-U",
    user,
    "-A",
    "scram-sha-256",
    `--pwfile=${passwordFile}`,
    "-E",
    "UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
  ];
  try {
    await run(binaries.initdb, keeps === "scratch" ? [...args, "--no-sync"] : args, {
      cwd: "/",
      env: { PATH: "/usr/bin:/bin", ...binaries.env },
      timeout: seconds(120),
      ...(account ? { uid: account.uid, gid: account.gid } : {}),
    });
  } catch (cause) {
    throw postgresProblems.embedded_postgres_failed(`PostgreSQL could not make its data folder ${home.cluster}.`, {
      cause,
      fix: "Look at the cause; a full disk and a folder that forbids writing are the usual ones.",
    });
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(fresh, home.cluster);
}

async function assertVersion(home: Home, { major }: Binaries): Promise<void> {
  const found = Number((await readFile(join(home.cluster, "PG_VERSION"), "utf8")).trim());
  if (found === major) return;
  throw postgresProblems.embedded_postgres_version(
    `The data in ${home.cluster} was written by PostgreSQL ${found}; this Tenfold brings ${major}.`,
    { fix: "See docs/operate/postgresql.md, “A new major version”." },
  );
}

/** The server's settings, as arguments: durable, small, and reachable by its socket alone. */
export function settings({ home, keeps }: Server): string[] {
  const durable =
    keeps === "everything"
      ? { fsync: "on", synchronous_commit: "on" }
      : {
          fsync: "off",
          full_page_writes: "off",
          synchronous_commit: "on",
          autovacuum: "off",
          wal_level: "minimal",
          max_wal_senders: "0",
          max_wal_size: "64MB",
          // Inside the folder, so that a server that a test kills leaves nothing in /dev/shm.
          dynamic_shared_memory_type: "mmap",
        };
  const all = {
    listen_addresses: "",
    unix_socket_directories: home.socket,
    unix_socket_permissions: "0700",
    ssl: "off",
    max_connections: "60",
    shared_buffers: "64MB",
    max_wal_size: "512MB",
    // One process less per worker; at this size reads come from memory.
    io_method: "sync",
    huge_pages: "off",
    jit: "off",
    timezone: "UTC",
    log_timezone: "UTC",
    log_min_messages: "warning",
    ...durable,
  };
  return Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}
