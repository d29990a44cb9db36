import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Log } from "../log.ts";
import { type ColumnStore, durableTable, storeProblems } from "./port.ts";

/** Where the platform's own tables of the column store are written down. */
const storeMigrationsFolder = fileURLToPath(new URL("../../../migrations/clickhouse/", import.meta.url));

type Migration = { number: number; name: string; statements: string[]; doneWhen: string | undefined; sha256: string };

/**
 * Brings the store to its newest tables: each `NNNN_name.sql` once, in order. The engine has no transactions, so every statement must be
 * one that may run twice (`IF NOT EXISTS`); where the last one leaves a table that the first would harm, `--! done when: SELECT … AS n` says how a
 * migration that ran to its end is known. Resolves to the names applied now.
 */
export async function migrateStore(
  store: ColumnStore,
  { log, folder = storeMigrationsFolder }: { log: Log; folder?: string },
): Promise<string[]> {
  await store.command("CREATE DATABASE IF NOT EXISTS tenfold");
  await store.command(
    `CREATE TABLE IF NOT EXISTS tenfold.migration (number UInt32, name String, sha256 String, applied_at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY number SETTINGS ${durableTable}`,
  );
  const applied = await store.query<{ number: number; name: string; sha256: string }>(
    "SELECT number, name, sha256 FROM tenfold.migration ORDER BY number",
  );
  const known = new Map(applied.map((row) => [row.number, row]));
  const done: string[] = [];
  for (const { number, name, statements, doneWhen, sha256 } of await readMigrations(folder)) {
    const before = known.get(number);
    if (before && before.sha256 !== sha256)
      throw storeProblems.store_refused(`The store migration ${name} was changed after it ran here.`, {
        fix: "Bring the file back as it was, and put the change into a new migration.",
      });
    if (before) continue;
    const [ended] = doneWhen === undefined ? [] : await store.query<{ n: number }>(doneWhen);
    if (!ended?.n) for (const statement of statements) await store.command(statement);
    await store.insert({
      table: "tenfold.migration",
      token: `migration-${number}`,
      columns: [
        { name: "number", type: "u32", values: Uint32Array.of(number) },
        { name: "name", type: "utf8", values: [name] },
        { name: "sha256", type: "utf8", values: [sha256] },
        { name: "applied_at", type: "ms", values: Float64Array.of(Date.now()) },
      ],
    });
    log.info("store.migrated", { migration: name });
    done.push(name);
  }
  return done;
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(folder, name), "utf8");
      return {
        number: Number.parseInt(name, 10),
        name,
        statements: statementsOf(text),
        doneWhen: /^--! done when: (.+)$/m.exec(text)?.[1],
        sha256: createHash("sha256").update(text).digest("hex"),
      };
    }),
  );
}

/** A statement ends with a semicolon at the end of its line. */
export const statementsOf = (text: string): string[] =>
  text
    .split(/;\s*(?:\n|$)/)
    .map((part) => part.trim())
    .filter((part) => part.replaceAll(/--[^\n]*/g, "").trim() !== "");
