import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import pg from "pg";
import { silentLog } from "../log.ts";
import { throwAwayDatabase } from "../testing.ts";
import { migrate, migrationsFolder, readMigrations } from "./migrations.ts";

async function world(files: Record<string, string> = {}) {
  const database = await throwAwayDatabase();
  const folder = await mkdtemp(join(tmpdir(), "tenfold-migrations-"));
  const [kernel] = await readMigrations(migrationsFolder);
  const write = (name: string, text: string) => writeFile(join(folder, name), text);
  await write("0001_kernel.sql", kernel?.text ?? "");
  for (const [name, text] of Object.entries(files)) await write(name, text);
  return {
    write,
    remove: (name: string) => rm(join(folder, name)),
    migrate: () => migrate({ url: database.url, log: silentLog, folder }),
    async ask(question: string) {
      const client = new pg.Client({ connectionString: database.url });
      await client.connect();
      const { rows } = await client.query(question);
      await client.end();
      return rows;
    },
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

test("each migration runs once, in order, however often one migrates", async () => {
  await using here = await world({ "0002_a.sql": "create table a (n int)", "0003_b.sql": "alter table a add column m int" });
  assert.deepEqual(await here.migrate(), ["0001_kernel.sql", "0002_a.sql", "0003_b.sql"]);
  assert.deepEqual(await here.migrate(), []);
  await here.write("0004_c.sql", "create table c (n int)");
  assert.deepEqual(await here.migrate(), ["0004_c.sql"]);
});

test("of several processes that migrate at once, one does it and all succeed", async () => {
  await using here = await world({ "0002_a.sql": "create table a (n int)" });
  const applied = await Promise.all([here.migrate(), here.migrate(), here.migrate()]);
  assert.deepEqual(applied.flat().sort(), ["0001_kernel.sql", "0002_a.sql"]);
});

test("a migration that fails leaves nothing behind, and those before it stand", async () => {
  await using here = await world({ "0002_a.sql": "create table a (n int)", "0003_b.sql": "create table b (n int); select 1 / 0" });
  await assert.rejects(here.migrate(), { code: "migration_failed" });
  assert.deepEqual(await here.ask("select to_regclass('a') is not null as a, to_regclass('b') is not null as b"), [
    { a: true, b: false },
  ]);
  await here.write("0003_b.sql", "create table b (n int)");
  assert.deepEqual(await here.migrate(), ["0003_b.sql"]);
});

test("a migration that was changed after it ran is refused, as is a database of a newer version", async () => {
  await using here = await world({ "0002_a.sql": "create table a (n int)" });
  await here.migrate();
  await here.write("0002_a.sql", "create table a (n int, m int)");
  await assert.rejects(here.migrate(), { code: "migration_changed" });
  await here.remove("0002_a.sql");
  await assert.rejects(here.migrate(), { code: "migration_unknown" });
});

test("two migrations with one number are refused, and so is a name without a number", async () => {
  await using here = await world({ "0002_a.sql": "select 1", "0002_b.sql": "select 1" });
  await assert.rejects(here.migrate(), { code: "migration_misnumbered" });
  await here.remove("0002_b.sql");
  await here.write("next.sql", "select 1");
  await assert.rejects(here.migrate(), { code: "migration_misnumbered" });
});
