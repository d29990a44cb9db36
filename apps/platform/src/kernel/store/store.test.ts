import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { clickHouseFront } from "@tenfold/testkit";
import { silentLog } from "../log.ts";
import { type ChdbStore, openChdbStore } from "./chdb-store.ts";
import { openClickHouseStore } from "./clickhouse-store.ts";
import { migrateStore, statementsOf } from "./migrations.ts";
import { durableTable } from "./port.ts";
import { rowBinary } from "./row-binary.ts";
import { assertOneStatement, fillIn } from "./sql.ts";
import { contractOf } from "./testing.ts";

async function scratch(): Promise<{ folder: string; end(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "tenfold-test-store-"));
  return { folder, end: () => rm(folder, { recursive: true, force: true }) };
}

contractOf("chdb in a process of its own", async () => {
  const { folder, end } = await scratch();
  const store = await openChdbStore({ path: folder, log: silentLog });
  return { store, end: () => store.close().then(end) };
});

contractOf("ClickHouse's HTTP protocol, over the testkit's front", async () => {
  const front = await clickHouseFront();
  const store = await openClickHouseStore({ url: front.url, log: silentLog });
  return { store, end: () => store.close().then(() => front[Symbol.asyncDispose]()) };
});

const server = process.env.TENFOLD_TEST_CLICKHOUSE_URL;
if (server === undefined)
  test("column store contract: a ClickHouse server", { skip: "TENFOLD_TEST_CLICKHOUSE_URL names none" }, () => {});
else
  contractOf("a ClickHouse server", async () => {
    const store = await openClickHouseStore({ url: server, log: silentLog });
    return { store, end: () => store.close() };
  });

test("a store process that is killed comes back, its calls fail as unavailable, and a repeated insert stores once", async () => {
  const { folder, end } = await scratch();
  const store = await openChdbStore({ path: folder, log: silentLog });
  try {
    await store.command(`CREATE TABLE default.t (n UInt32) ENGINE = MergeTree ORDER BY n SETTINGS ${durableTable}`);
    for (let round = 0; round < 3; round++) {
      const insert = {
        table: "default.t",
        token: `round-${round}`,
        columns: [{ name: "n", type: "u32" as const, values: Uint32Array.from({ length: 50_000 }, (_, n) => n) }],
      };
      const underWay = store.insert(insert);
      kill(store);
      await assert.rejects(underWay, { code: "store_unavailable" });
      await store.insert(insert);
      await store.insert(insert);
    }
    assert.deepEqual(await store.query("SELECT count() AS n FROM default.t"), [{ n: 150_000 }]);
  } finally {
    await store.close();
    await end();
  }
});

function kill(store: ChdbStore): void {
  const pid = store.pid();
  assert.ok(pid !== undefined);
  process.kill(pid, "SIGKILL");
}

test("a query past its deadline ends with a problem of its own", async () => {
  const { folder, end } = await scratch();
  const store = await openChdbStore({ path: folder, log: silentLog, deadlines: { queryMs: 300, insertMs: 10_000 } });
  try {
    await assert.rejects(store.query("SELECT sum(sipHash64(number)) FROM numbers(100000000000)"), { code: "query_too_long" });
    assert.deepEqual(await store.query("SELECT 1 AS one"), [{ one: 1 }]);
  } finally {
    await store.close();
    await end();
  }
});

test("after closing, calls are refused as unavailable", async () => {
  const { folder, end } = await scratch();
  const store = await openChdbStore({ path: folder, log: silentLog });
  await store.close();
  await store.close();
  await assert.rejects(store.query("SELECT 1"), { code: "store_unavailable" });
  await end();
});

test("a server that is not there is unavailable", async () => {
  await assert.rejects(openClickHouseStore({ url: "http://127.0.0.1:1", log: silentLog }), { code: "store_unavailable" });
});

test("a part of many rows is not written again for every few dozen small ones that come after it", async () => {
  const { folder, end } = await scratch();
  const store = await openChdbStore({ path: folder, log: silentLog });
  try {
    await store.command(`CREATE TABLE default.t (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS ${durableTable}`);
    await store.command("INSERT INTO default.t SELECT number FROM numbers(1000000)");
    const insertSmall = (many: number) => `INSERT INTO default.t SELECT number FROM numbers(${many})`;
    for (let i = 0; i < 60; i++) await store.command(insertSmall(10));
    const parts = () =>
      store.query<{ rows: number; level: number }>(
        "SELECT rows, level FROM system.parts WHERE database = 'default' AND table = 't' AND active ORDER BY rows DESC",
      );
    for (const deadline = Date.now() + 30_000; (await parts()).length > 50; await store.command(insertSmall(1)))
      assert.ok(Date.now() < deadline, "the small parts were not merged");
    assert.deepEqual((await parts())[0], { rows: 1_000_000, level: 0 });
  } finally {
    await store.close();
    await end();
  }
});

test("the store's migrations run once", async () => {
  const { folder, end } = await scratch();
  const store = await openChdbStore({ path: folder, log: silentLog });
  try {
    assert.ok((await migrateStore(store, { log: silentLog })).includes("0001_telemetry.sql"));
    assert.deepEqual(await migrateStore(store, { log: silentLog }), []);
  } finally {
    await store.close();
    await end();
  }
});

test("statements are cut at semicolons at the end of a line, and comments alone are none", () => {
  assert.deepEqual(statementsOf("-- a\nCREATE x;\n\n-- b\nCREATE y\n(';');\n-- end\n"), [
    "-- a\nCREATE x",
    "-- b\nCREATE y\n(';')",
  ]);
});

test("a semicolon in a text or a comment separates nothing", () => {
  for (const one of ["SELECT ';'", "SELECT 1 -- ;", "SELECT 'a\\';'", 'SELECT ";" ;', "SELECT `;`"])
    assert.ok(assertOneStatement(one));
  for (const two of ["SELECT 1; SELECT 2", "SELECT ''; SELECT ''", "SELECT 'a\\\\'; DROP TABLE x --'"])
    assert.throws(() => assertOneStatement(two));
});

test("a text that looks like a placeholder is not filled in again", () => {
  assert.equal(fillIn("SELECT {a:String}, {b:String}", { a: "{b:String}", b: "x" }), "SELECT '{b:String}', 'x'");
});

test("RowBinary grows with its texts", () => {
  const long = "x".repeat(100_000);
  assert.deepEqual(
    rowBinary([{ name: "t", type: "utf8", values: [long] }]),
    Buffer.concat([Buffer.of(0xa0, 0x8d, 0x06), Buffer.from(long)]),
  );
});
