import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { chmod, mkdtemp, readdir, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { silentLog } from "./log.ts";
import { type EmbeddedPostgres, startEmbedded } from "./postgres/embedded.ts";
import { migrate } from "./postgres/migrations.ts";
import { type Database, openDatabase } from "./postgres/pool.ts";
import { isAlive } from "./postgres/processes.ts";

/** An empty database of a test's own. Dropped, with whoever is still connected, when the test disposes of it. */
export type ThrowAwayDatabase = AsyncDisposable & { url: string };

/** A migrated database of a test's own, and a pool on it. */
export type TestDatabase = AsyncDisposable & { url: string; db: Database };

/** `await using database = await throwAwayDatabase()`: an empty PostgreSQL database. */
export async function throwAwayDatabase(): Promise<ThrowAwayDatabase> {
  return createFrom("template1");
}

/** `await using world = await testDatabase()`: a database with every migration, and `world.db` to use it. */
export async function testDatabase(): Promise<TestDatabase> {
  const database = await createFrom(migratedTemplate);
  const { db, close } = await openDatabase({ url: database.url, log: silentLog, max: 10 });
  return {
    url: database.url,
    db,
    async [Symbol.asyncDispose]() {
      await close();
      await database[Symbol.asyncDispose]();
    },
  };
}

const migratedTemplate = "migrated";

async function createFrom(template: string): Promise<ThrowAwayDatabase> {
  const server = await sharedServer();
  const name = `test_${randomBytes(8).toString("hex")}`;
  await server.admin.query(`create database ${name} template ${template} strategy file_copy`);
  return {
    url: server.postgres.urlOf(name),
    async [Symbol.asyncDispose]() {
      // Not waited for: the server waits a tenth of a second for connections to end, and every test would.
      server.admin.query(`drop database ${name} with (force)`).catch(() => {});
    },
  };
}

type Shared = { postgres: EmbeddedPostgres; admin: pg.Pool };

// The one exception to "no module-level state": starting a server takes two seconds, so that the test files of a process share one.
let shared: Promise<Shared> | undefined;

function sharedServer(): Promise<Shared> {
  shared ??= startShared();
  return shared;
}

const prefix = "tenfold-test-postgres-";

async function startShared(): Promise<Shared> {
  const base = await fastFolder();
  await sweep(base);
  const folder = await mkdtemp(join(base, `${prefix}${process.pid}-`));
  // mkdtemp makes it for us alone, and as root PostgreSQL runs as somebody else.
  await chmod(folder, 0o755);
  const postgres = await startEmbedded({ folder, log: silentLog, keeps: "scratch" });
  process.once("exit", () => leave(postgres.pid(), folder));
  const admin = new pg.Pool({ connectionString: postgres.urlOf("postgres"), max: 3, allowExitOnIdle: true, query_timeout: 30_000 });
  admin.on("error", () => {});
  await admin.query(`create database ${migratedTemplate}`);
  await migrate({ url: postgres.urlOf(migratedTemplate), log: silentLog });
  return { postgres, admin };
}

/** The watchdog stops the server anyway; this also takes the folder away, within the time that an exiting process has. */
function leave(pid: number, folder: string): void {
  try {
    process.kill(pid, "SIGQUIT");
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let i = 0; i < 100; i++) {
      process.kill(pid, 0);
      Atomics.wait(pause, 0, 0, 20);
    }
  } catch {
    // It is gone.
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}

/** A database is 300 files: in memory, where there is room, it is made ten times as fast. */
async function fastFolder(): Promise<string> {
  const memory = "/dev/shm";
  const room = await statfs(memory).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  );
  return room > 2 ** 30 ? memory : tmpdir();
}

/** Takes away what test processes left that were killed. */
async function sweep(base: string): Promise<void> {
  for (const name of await readdir(base)) {
    const pid = Number(name.startsWith(prefix) ? name.slice(prefix.length).split("-")[0] : Number.NaN);
    if (pid > 0 && !(await isAlive(pid))) await rm(join(base, name), { recursive: true, force: true }).catch(() => {});
  }
}
