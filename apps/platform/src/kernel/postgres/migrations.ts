import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { minutes, seconds } from "@tenfold/base";
import pg from "pg";
import type { Log } from "../log.ts";
import { postgresProblems, unreachableServer } from "./problems.ts";

export type Migration = { number: number; name: string; text: string; sha256: string };

/** Where the platform's own migrations are. */
export const migrationsFolder = fileURLToPath(new URL("../../../migrations/postgres/", import.meta.url));

// Held while migrating, so that of several servers which start at once one migrates and the others wait.
const advisoryLock = 7_303_014_461;

/**
 * Brings the database at `url` to the newest schema: every migration that it does not have yet, in the order of their numbers, each in
 * a transaction of its own. Safe to run at once from several processes. Resolves to the names of those applied now.
 */
export async function migrate({
  url,
  log,
  folder = migrationsFolder,
}: {
  url: string;
  log: Log;
  folder?: string;
}): Promise<string[]> {
  const migrations = await readMigrations(folder);
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: seconds(10),
    statement_timeout: minutes(10),
    lock_timeout: minutes(2),
    application_name: "tenfold migrations",
  });
  client.on("error", (error) => log.warn("postgres.connection_lost", { because: error.message }));
  await client.connect().catch((cause: unknown) => {
    throw unreachableServer(cause);
  });
  try {
    await client.query("select pg_advisory_lock($1)", [advisoryLock]);
    const pending = pendingMigrations(migrations, await appliedMigrations(client));
    for (const migration of pending) {
      await apply(client, migration);
      log.info("postgres.migrated", { migration: migration.name });
    }
    return pending.map(({ name }) => name);
  } finally {
    // The end of the session also gives the lock back.
    await client.end();
  }
}

/** The migrations in a folder, in order. Names that are not `NNNN_name.sql` and numbers used twice are refused; gaps are not. */
export async function readMigrations(folder: string): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  const migrations = await Promise.all(names.map((name) => readMigration(folder, name)));
  migrations.forEach((migration, at) => {
    const before = migrations[at - 1];
    if (before?.number === migration.number)
      throw postgresProblems.migration_misnumbered(`The migrations ${before.name} and ${migration.name} have the same number.`, {
        fix: "Give the later one the next free number.",
      });
  });
  return migrations;
}

async function readMigration(folder: string, name: string): Promise<Migration> {
  const number = /^(\d{4})_[a-z0-9_]+\.sql$/.exec(name)?.[1];
  if (number === undefined)
    throw postgresProblems.migration_misnumbered(`The migration ${name} is not named like 0001_kernel.sql.`);
  const text = await readFile(join(folder, name), "utf8");
  return { number: Number(number), name, text, sha256: createHash("sha256").update(text).digest("hex") };
}

type Applied = Pick<Migration, "number" | "name" | "sha256">;

async function appliedMigrations(client: pg.Client): Promise<Applied[]> {
  const { rows: found } = await client.query<{ there: boolean }>("select to_regclass('kernel.migration') is not null as there");
  if (!found[0]?.there) return [];
  return (await client.query<Applied>("select number, name, sha256 from kernel.migration order by number")).rows;
}

/** Which migrations are still to run. Refuses a history that these files cannot have made. */
export function pendingMigrations(migrations: readonly Migration[], applied: readonly Applied[]): Migration[] {
  const known = new Map(migrations.map((migration) => [migration.number, migration]));
  for (const { number, name, sha256 } of applied) {
    const migration = known.get(number);
    if (migration === undefined)
      throw postgresProblems.migration_unknown(
        `The database has the migration ${name}, which this version of Tenfold does not know.`,
        { fix: "Run the newer version that made it; Tenfold does not migrate backwards." },
      );
    if (migration.sha256 !== sha256)
      throw postgresProblems.migration_changed(`The migration ${migration.name} was changed after it ran on this database.`, {
        fix: "Bring the file back as it was, and put the change into a new migration.",
      });
  }
  const done = new Set(applied.map(({ number }) => number));
  return migrations.filter(({ number }) => !done.has(number));
}

async function apply(client: pg.Client, { number, name, text, sha256 }: Migration): Promise<void> {
  await client.query("begin");
  try {
    await client.query(text);
    await client.query("insert into kernel.migration (number, name, sha256) values ($1, $2, $3)", [number, name, sha256]);
    await client.query("commit");
  } catch (cause) {
    await client.query("rollback");
    throw postgresProblems.migration_failed(`The migration ${name} failed and was taken back as a whole.`, { cause });
  }
}
