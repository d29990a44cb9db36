import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Column } from "./column.ts";
import { type ColumnStore, durableTable } from "./port.ts";

/** What both sides of the port must do alike. `open` is called once; the tests leave their tables in a database of their own. */
export function contractOf(side: string, open: () => Promise<{ store: ColumnStore; end(): Promise<void> }>): void {
  test(`column store contract: ${side}`, async (suite) => {
    const { store, end } = await open();
    const database = `contract_${Date.now()}`;
    const table = `${database}.row`;
    try {
      await store.command(`CREATE DATABASE ${database}`);
      await store.command(
        `CREATE TABLE ${table} (k UInt32, big UInt64, signed Int64, share Float64, ts DateTime64(3, 'UTC'), flag UInt8, text String, word LowCardinality(String), CONSTRAINT no_poison CHECK text != 'poison') ENGINE = MergeTree PARTITION BY toYYYYMM(ts) ORDER BY k SETTINGS ${durableTable}`,
      );
      for (const [name, run] of Object.entries(clauses)) await suite.test(name, () => run(store, table));
    } finally {
      await store.command(`DROP DATABASE IF EXISTS ${database}`).catch(() => undefined);
      await end();
    }
  });
}

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

let nextToken = 0;
const freshToken = () => `${process.pid}-${Date.now()}-${nextToken++}`;

const t0 = Date.UTC(2026, 4, 1);
type Cell = { k: number; text?: string; word?: string; share?: number; signed?: bigint; big?: bigint; ts?: number };

const columnsOf = (rows: readonly Cell[]): Column[] => [
  { name: "k", type: "u32", values: Uint32Array.from(rows, ({ k }) => k) },
  { name: "big", type: "u64", values: BigUint64Array.from(rows, ({ big = 0n }) => big) },
  { name: "signed", type: "i64", values: BigInt64Array.from(rows, ({ signed = 0n }) => signed) },
  { name: "share", type: "f64", values: Float64Array.from(rows, ({ share = 0 }) => share) },
  { name: "ts", type: "ms", values: Float64Array.from(rows, ({ ts = t0 }) => ts) },
  { name: "flag", type: "u8", values: Uint8Array.from(rows, () => 1) },
  { name: "text", type: "utf8", values: rows.map(({ text = "" }) => text) },
  { name: "word", type: "dictionary", values: Uint32Array.from(rows, (_, row) => row), texts: rows.map(({ word = "" }) => word) },
];

const countRows = async (store: ColumnStore, sql: string): Promise<number> =>
  (await store.query<{ n: number }>(`SELECT count() AS n FROM ${sql}`))[0]?.n ?? -1;

/** Well-formed texts with everything that a parser on the way could trip over. */
const hostileText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom(
    "'; DROP TABLE x; --",
    "\n\n",
    "}\n\ndrop table t.victim",
    "\\",
    "\\'",
    "'",
    '"',
    "`",
    "\0",
    "\0'\n\n;",
    "{name:String}",
    "\u2028",
    "😀",
    "--",
    "/*",
    "\r\n",
    "\\N",
    "\\x00",
  ),
  fc
    .array(fc.constantFrom("\n", "'", "\\", "\0", ";", "{", "}", "-", "\r", "\t", "é"), { maxLength: 12 })
    .map((parts) => parts.join("")),
);

const clauses: Record<string, (store: ColumnStore, table: string) => Promise<void>> = {
  async "every column type comes back as it went in, 64-bit numbers as numbers"(store, table) {
    await store.insert({
      table,
      token: freshToken(),
      columns: columnsOf([{ k: 1, big: 2n ** 52n, signed: -(2n ** 52n), share: -0.1, ts: t0 + 123, text: "é", word: "w" }]),
    });
    const rows = await store.query(
      `SELECT k, big, signed, share, toUnixTimestamp64Milli(ts) AS ts, flag, text, word FROM ${table} WHERE k = 1`,
    );
    assert.deepEqual(rows, [{ k: 1, big: 2 ** 52, signed: -(2 ** 52), share: -0.1, ts: t0 + 123, flag: 1, text: "é", word: "w" }]);
  },

  async "NaN is stored as NaN and read as null"(store, table) {
    await store.insert({ table, token: freshToken(), columns: columnsOf([{ k: 2, share: Number.NaN }]) });
    assert.deepEqual(await store.query(`SELECT share, isNaN(share) AS nan FROM ${table} WHERE k = 2`), [{ share: null, nan: 1 }]);
  },

  async "a repeated token stores nothing, another token stores again"(store, table) {
    const [token, other] = [freshToken(), freshToken()];
    const columns = columnsOf([{ k: 3 }, { k: 3 }]);
    for (const each of [token, token, other]) await store.insert({ table, token: each, columns });
    assert.equal(await countRows(store, `${table} WHERE k = 3`), 4);
  },

  async "rows that may be there already are stored once, whatever became of their token"(store, table) {
    const token = freshToken();
    const columns = columnsOf([
      { k: 6, share: Number.NaN, ts: t0 + 1, text: "it's", word: "a\\b" },
      { k: 6, signed: -1n, ts: t0 + 2, text: "\n\n;", word: "'" },
      { k: 7, ts: t0 + 3 },
    ]);
    const count = () => countRows(store, `${table} WHERE k IN (6, 7)`);
    await store.insert({ table, token, columns, again: true });
    assert.equal(await count(), 3, "nothing was there");
    await store.insert({ table, token, columns, again: true });
    await store.insert({ table, token: freshToken(), columns, again: true });
    assert.equal(await count(), 3, "the token was forgotten, the rows were not");
    await store.command(`ALTER TABLE ${table} DELETE WHERE k = 6`);
    await store.insert({ table, token, columns, again: true });
    assert.equal(await count(), 3, "the token was kept, some rows were lost");
  },

  async "a batch without rows is nothing"(store, table) {
    await store.insert({ table, token: freshToken(), columns: columnsOf([]) });
  },

  async "hostile texts are stored byte for byte, as column and as dictionary"(store, table) {
    const texts = fc.sample(hostileText, { numRuns: 2_000, seed: 42 });
    await store.insert({
      table,
      token: freshToken(),
      columns: columnsOf(texts.map((text, row) => ({ k: 1_000 + row, text, word: text }))),
    });
    const rows = await store.query<{ text: string; word: string }>(
      `SELECT text, word FROM ${table} WHERE k >= 1000 AND k < 100000 ORDER BY k`,
    );
    assert.deepEqual(
      rows.map(({ text }) => text),
      texts,
    );
    assert.deepEqual(
      rows.map(({ word }) => word),
      texts,
    );
  },

  async "whatever text is filled into a query, it stays that text"(store) {
    await fc.assert(
      fc.asyncProperty(hostileText, fc.array(hostileText, { maxLength: 3 }), async (text, list) => {
        const rows = await store.query("SELECT {text:String} AS text, {list:Array(String)} AS list, hex({text:String}) AS bytes", {
          text,
          list,
        });
        assert.deepEqual(rows, [{ text, list, bytes: Buffer.from(text).toString("hex").toUpperCase() }]);
      }),
      { numRuns: 150 },
    );
  },

  async "numbers and times are filled in exactly"(store) {
    await fc.assert(
      fc.asyncProperty(
        fc.maxSafeInteger(),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.integer({ min: 0, max: 7e12 }),
        async (whole, real, time) => {
          const [row] = await store.query<{ whole: number; same: number; time: number }>(
            "SELECT {whole:Int64} AS whole, {real:Float64} = toFloat64({text:String}) AS same, toUnixTimestamp64Milli({time:DateTime64(3)}) AS time",
            { whole, real, text: String(real), time },
          );
          assert.deepEqual(row, { whole, same: 1, time });
        },
      ),
      { numRuns: 60 },
    );
  },

  async "a value that does not fit its placeholder never reaches the engine"(store) {
    await assert.rejects(async () => store.query("SELECT {n:Int64}", { n: 1.5 }), /not a Int64/);
    await assert.rejects(async () => store.query("SELECT {n:Int64}", {}), /no value was given/);
    await assert.rejects(async () => store.query("SELECT 1", { n: 1 }), /does not use/);
  },

  async "a query cannot write, and two statements are never sent"(store, table) {
    await assert.rejects(store.query(`DROP TABLE ${table}`), { code: "store_refused" });
    await assert.rejects(async () => store.query(`SELECT 1; DROP TABLE ${table}`), /one statement/);
    assert.ok((await countRows(store, table)) > 0);
  },

  async "a query that fails halfway leaves nothing for the next one"(store) {
    for (let i = 0; i < 4; i++)
      await assert.rejects(store.query("SELECT number, throwIf(number = 200000) FROM numbers(300000)"), { code: "store_refused" });
    assert.deepEqual(await Promise.all([1, 2, 3].map((n) => store.query("SELECT {n:Int64} AS n", { n }))), [
      [{ n: 1 }],
      [{ n: 2 }],
      [{ n: 3 }],
    ]);
  },

  async "rows that break a constraint are refused as a whole, and the store goes on"(store, table) {
    await assert.rejects(store.insert({ table, token: freshToken(), columns: columnsOf([{ k: 4 }, { k: 4, text: "poison" }]) }), {
      code: "store_refused",
    });
    assert.equal(await countRows(store, `${table} WHERE k = 4`), 0);
    await store.insert({ table, token: freshToken(), columns: columnsOf([{ k: 5 }]) });
    assert.equal(await countRows(store, `${table} WHERE k = 5`), 1);
  },

  async "a table that does not exist is a refusal, not an outage"(store, table) {
    await assert.rejects(store.insert({ table: `${table}_missing`, token: freshToken(), columns: columnsOf([{ k: 1 }]) }), {
      code: "store_refused",
    });
    await assert.rejects(store.query(`SELECT * FROM ${table}_missing`), { code: "store_refused" });
  },

  async "thirty thousand rows are one insert, and their token still holds"(store, table) {
    const columns = columnsOf(Array.from({ length: 30_000 }, (_, row) => ({ k: 1_000_000 + row, ts: t0 + row })));
    const token = freshToken();
    for (const _ of [1, 2]) await store.insert({ table, token, columns });
    assert.equal(await countRows(store, `${table} WHERE k >= 1000000`), 30_000);
  },

  async "a download is a file of the whole answer, and hostile values stay values"(store, table) {
    const csv = await bytesOf(
      await store.download("SELECT {text:String} AS text, number FROM numbers(100000)", { text: "';\n" }, "csv"),
    );
    assert.equal(csv.toString().split('"\';\n",').length, 100_001);
    assert.ok(csv.toString().startsWith('"text","number"\n'));
    const parquet = await bytesOf(await store.download("SELECT number FROM numbers(1000)", {}, "parquet"));
    assert.deepEqual([parquet.subarray(0, 4).toString(), parquet.subarray(-4).toString()], ["PAR1", "PAR1"]);
    await assert.rejects(store.download(`SELECT * FROM ${table}_missing`, {}, "csv"), { code: "store_refused" });
  },

  async "it answers a ping"(store) {
    await store.ping();
  },
};
