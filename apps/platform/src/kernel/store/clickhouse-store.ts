import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import {
  type ClickHouseClient,
  ClickHouseError,
  ClickHouseLogLevel,
  type ClickHouseSettings,
  createClient,
} from "@clickhouse/client";
import type { Log } from "../log.ts";
import { assertIdentifier, type Column, countRows } from "./column.ts";
import { onlyMissing } from "./missing.ts";
import {
  type ColumnStore,
  type Deadlines,
  engineForm,
  longWorkMs,
  passingErrorCodes,
  storeProblems,
  usualDeadlines,
} from "./port.ts";
import { rowBinary } from "./row-binary.ts";
import { rowsOf } from "./rows.ts";
import { assertOneStatement, fillIn } from "./sql.ts";

export type ClickHouseStoreOptions = { url: string; log: Log; deadlines?: Deadlines };

const reading: ClickHouseSettings = {
  output_format_json_quote_64bit_integers: 0,
  // Waiting for the end turns an error in the middle of an answer into an error instead of half an answer.
  wait_end_of_query: 1,
  // 2: settings may be given, tables may not be changed.
  readonly: "2",
  max_query_size: String(16 << 20),
};

const inserting: ClickHouseSettings = {
  async_insert: 0,
  wait_end_of_query: 1,
  max_insert_block_size: "1048576",
  max_query_size: String(16 << 20),
};

const engineTypes: Readonly<Record<Column["type"], string>> = {
  u8: "UInt8",
  u32: "UInt32",
  u64: "UInt64",
  i64: "Int64",
  f64: "Float64",
  ms: "DateTime64(3, \\'UTC\\')",
  utf8: "String",
  dictionary: "String",
};

/** What `input(…)` is told of the rows that follow. */
const structureOf = (columns: readonly Column[]): string =>
  columns.map(({ name, type }) => `${name} ${engineTypes[type]}`).join(", ");

/** A ClickHouse server or cluster over HTTP. Rejects with `store_unavailable` when it does not answer now. */
export async function openClickHouseStore({ url, log, deadlines = usualDeadlines }: ClickHouseStoreOptions): Promise<ColumnStore> {
  const clientFor = (request_timeout: number) =>
    createClient({
      url,
      request_timeout,
      application: "tenfold",
      keep_alive: { enabled: true },
      // Its own log would repeat statements, and with them what devices sent; our callers hear of every error.
      log: { level: ClickHouseLogLevel.OFF },
    });
  const [client, longWork] = [clientFor(deadlines.insertMs), clientFor(longWorkMs)];
  const asked = async <T>(kind: "insert" | "query" | "command", work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw problemOf(kind, error);
    }
  };
  const store: ColumnStore = {
    async insert({ table, columns, token, again = false }) {
      if (countRows(columns) === 0) return;
      const names = columns.map(({ name }) => name).join(", ");
      const into = `INSERT INTO ${assertIdentifier(table)} (${names})`;
      const rows = rowBinary(columns);
      const send = (query: string, settings: ClickHouseSettings) =>
        asked("insert", () =>
          sendRows(client, { query: `${query} FORMAT RowBinary`, rows, settings: { ...inserting, ...settings } }),
        );
      if (!again) return send(into, { insert_deduplication_token: token });
      const missing = `${into} SELECT ${names} FROM input('${structureOf(columns)}') WHERE ${onlyMissing({ table, columns }, ({ name }) => name)}`;
      // Under its own token first, for a server that is still at work on the first attempt; then under one that nothing can remember.
      await send(missing, { insert_deduplication_token: token });
      await send(missing, { insert_deduplication_token: `${token}~${randomUUID()}` });
    },
    query: <Row>(sql: string, parameters = {}) => {
      const query = assertOneStatement(fillIn(sql, parameters));
      return asked("query", async () => {
        const answer = await client.query({
          query,
          format: "JSONEachRow",
          clickhouse_settings: { ...reading, max_execution_time: deadlines.queryMs / 1_000 },
        });
        return rowsOf<Row>(await answer.text());
      });
    },
    command: async (sql, parameters = {}) => {
      const query = assertOneStatement(fillIn(sql, parameters));
      await asked("command", () => longWork.command({ query, clickhouse_settings: { wait_end_of_query: 1, mutations_sync: "1" } }));
    },
    download: (sql, parameters, form) => {
      const query = `${assertOneStatement(fillIn(sql, parameters))} FORMAT ${engineForm[form]}`;
      return asked("query", async () => {
        const { stream } = await longWork.exec({ query, clickhouse_settings: { readonly: "2", max_query_size: String(16 << 20) } });
        return stream;
      });
    },
    async ping() {
      const answer = await client.ping();
      if (!answer.success)
        throw storeProblems.store_unavailable(`The ClickHouse server at ${hostOf(url)} does not answer.`, { cause: answer.error });
    },
    close: async () => void (await Promise.all([client.close(), longWork.close()])),
  };
  try {
    await store.ping();
  } catch (error) {
    await store.close();
    throw error;
  }
  log.info("store.connected", { host: hostOf(url) });
  return store;
}

async function sendRows(
  client: ClickHouseClient,
  { query, rows, settings }: { query: string; rows: Buffer; settings: ClickHouseSettings },
): Promise<void> {
  const { stream } = await client.exec({
    query,
    values: Readable.from([rows], { objectMode: false }),
    clickhouse_settings: settings,
  });
  for await (const _ of stream); // Only an answer read to its end proves the insert.
}

/** Without user and password. */
const hostOf = (url: string): string => new URL(url).host;

function problemOf(kind: "insert" | "query" | "command", cause: unknown): Error {
  if (!(cause instanceof ClickHouseError))
    return storeProblems.store_unavailable("The ClickHouse server cannot be reached.", { cause, retryAfterS: 1 });
  const code = Number(cause.code);
  if (code === 159 && kind === "query")
    return storeProblems.query_too_long("The query took too long and was ended.", {
      cause,
      fix: "Ask for a shorter span of time or fewer devices.",
    });
  if (passingErrorCodes.has(code) && kind === "insert")
    return storeProblems.store_unavailable("The store cannot take rows now.", { cause });
  return storeProblems.store_refused(`The store refused a ${kind}.`, { cause });
}
