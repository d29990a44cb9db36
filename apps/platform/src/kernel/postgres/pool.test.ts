import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { sql } from "kysely";
import pg from "pg";
import { createLog, silentLog } from "../log.ts";
import { throwAwayDatabase } from "../testing.ts";
import { migrate } from "./migrations.ts";
import { openDatabase } from "./pool.ts";

async function run(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(statement);
  await client.end();
}

test("whole numbers come back as numbers, times as dates, and a number past 2^53 is an error instead of another number", async () => {
  await using database = await throwAwayDatabase();
  const { db, close } = await openDatabase({ url: database.url, log: silentLog });
  const { rows } = await sql<{
    n: number;
    at: Date;
    list: unknown;
  }>`select 9007199254740991::int8 as n, '2026-11-22T20:00:00Z'::timestamptz as at, '[1]'::jsonb as list`.execute(db);
  assert.deepEqual(rows, [{ n: 9_007_199_254_740_991, at: new Date("2026-11-22T20:00:00Z"), list: [1] }]);
  await assert.rejects(sql`select 9007199254740993::int8 as n`.execute(db), { code: "database_number_too_large" });
  await close();
});

test("a server that forgets what it confirmed is refused", async () => {
  await using database = await throwAwayDatabase();
  const name = new URL(database.url).pathname.slice(1);
  await run(database.url, `alter database ${name} set synchronous_commit = off`);
  await assert.rejects(openDatabase({ url: database.url, log: silentLog }), { code: "database_not_durable" });
});

test("a server that is not there is named as the trouble", async () => {
  const nowhere = { url: "postgresql://nobody@localhost/none?host=/nonexistent", log: silentLog };
  await assert.rejects(openDatabase(nowhere), { code: "database_unreachable" });
  await assert.rejects(migrate(nowhere), { code: "database_unreachable" });
});

test("a server that is still starting is waited for", async () => {
  await using database = await throwAwayDatabase();
  const { pathname, username, password, searchParams } = new URL(database.url);
  const folder = await mkdtemp(join(tmpdir(), "tenfold-starting-"));
  let refusals = 2;
  const says = (code: string, message: string) => {
    const fields = Buffer.from(`SFATAL\0C${code}\0M${message}\0\0`);
    const head = Buffer.from("E\0\0\0\0");
    head.writeInt32BE(fields.length + 4, 1);
    return Buffer.concat([head, fields]);
  };
  // What stands between says of the real server what one says that reads its log after a crash.
  const between = createServer((socket) => {
    if (refusals-- > 0) return socket.once("data", () => socket.end(says("57P03", "the database system is starting up")));
    const real = connect(join(searchParams.get("host") ?? "", ".s.PGSQL.5432"));
    for (const one of [socket, real]) one.on("error", () => {});
    return socket.pipe(real).pipe(socket);
  }).listen(join(folder, ".s.PGSQL.5432"));
  const lines: string[] = [];
  const log = createLog({ level: "info", write: (line) => lines.push(line) });
  const { db, close } = await openDatabase({
    url: `postgresql://${username}:${password}@localhost${pathname}?host=${folder}`,
    log,
  });
  assert.deepEqual((await sql`select 1 as one`.execute(db)).rows, [{ one: 1 }]);
  assert.equal(lines.filter((line) => line.includes("postgres.starting")).length, 1);
  await close();
  between.close();
  await rm(folder, { recursive: true });
});

test("connections that the server ends are replaced, and told of in the log", async () => {
  await using database = await throwAwayDatabase();
  const lines: string[] = [];
  const { db, close } = await openDatabase({
    url: database.url,
    log: createLog({ level: "warn", write: (line) => lines.push(line) }),
  });
  await sql`select 1`.execute(db);
  await run(
    database.url,
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
  );
  while (!lines.some((line) => line.includes("postgres.connection_lost"))) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual((await sql`select 1 as one`.execute(db)).rows, [{ one: 1 }]);
  await close();
});

test("a connection that the server ends between two queries of a transaction rejects the next of them, and nothing more", async () => {
  await using database = await throwAwayDatabase();
  const { db, close } = await openDatabase({ url: database.url, log: silentLog });
  const broken = db.transaction().execute(async (tx) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
    await run(database.url, `select pg_terminate_backend(${rows[0]?.pid ?? 0}, 5000)`);
    // The server's farewell has arrived when a later question on another connection is answered.
    await sql`select 1`.execute(db);
    await sql`select 1`.execute(tx);
  });
  await assert.rejects(broken);
  assert.deepEqual((await sql`select 1 as one`.execute(db)).rows, [{ one: 1 }]);
  await close();
});
