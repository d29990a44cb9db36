import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import chdb, { type Session as ChdbSession } from "chdb";
import { type ArrowColumn, arrowColumns, selected } from "./arrow.ts";
import { assertIdentifier } from "./column.ts";
import { onlyMissing } from "./missing.ts";
import { type Insert, longWorkMs } from "./port.ts";
import { quoted } from "./sql.ts";

/** chdb's exports that its own types leave out (3.4.0, pinned): the only way in that is both safe for hostile bytes and fast. */
type ArrowEntry = {
  _arrowRegisterColumns(connection: unknown, name: string, columns: ArrowColumn[]): void;
  _arrowUnregister(connection: unknown, name: string): void;
  Session: typeof ChdbSession;
};
// chdb 3.4.0's index.js exports these three; a contract test runs over each of them.
const { _arrowRegisterColumns, _arrowUnregister, Session } = chdb as unknown as ArrowEntry;

export type Engine = {
  insert(insert: Insert): Promise<void>;
  query(sql: string): Promise<string>;
  command(sql: string): Promise<void>;
  /** Writes the answer of a SELECT into a new file. */
  file(wish: { sql: string; path: string; format: string }): Promise<void>;
  close(): Promise<void>;
};

const configFile = fileURLToPath(new URL("chdb-config.xml", import.meta.url));
const reading =
  "max_threads = 1, max_memory_usage = 600000000, output_format_json_quote_64bit_integers = 0, max_query_size = 16777216, readonly = 1";
// One thread: a batch is one block, and starting threads for it took half of a small insert's CPU.
const writing =
  "max_threads = 1, max_insert_threads = 1, async_insert = 0, max_insert_block_size = 1048576, max_query_size = 16777216, output_format_json_quote_64bit_integers = 0";

const longWork = "max_threads = 1, max_memory_usage = 600000000, max_query_size = 16777216, mutations_sync = 1";

/**
 * The engine in this process: one session that inserts, two that read, one for long statements and one for files, because a session
 * answers one question at a time. Readers cannot write, whatever they are sent. Throws when another process holds `path` ("Cannot lock file …").
 */
export async function openEngine({ path, queryMs }: { path: string; queryMs: number }): Promise<Engine> {
  const open = () => new Session(path, { connectionArgs: [`--config-file=${configFile}`] });
  const writer = lane(open());
  const readers = [lane(open()), lane(open())];
  const [worker, filer] = [lane(open()), lane(open())];
  await writer.run(`SET ${writing}`);
  for (const each of [worker, filer]) await each.run(`SET ${longWork}, max_execution_time = ${longWorkMs / 1_000}`);
  for (const reader of readers) await reader.run(`SET max_execution_time = ${queryMs / 1_000}, ${reading}`);
  let nextName = 0;
  return {
    insert: (rows) =>
      writer.exclusively(async (session) => {
        const name = `batch${nextName++}`;
        if (rows.again !== true) return insertRows(session, { name, rows });
        // Under its own token first, for an engine that is still at work on the first attempt; then under one that nothing can remember.
        const where = onlyMissing(rows, selected);
        await insertRows(session, { name, rows, where });
        await insertRows(session, { name, rows: { ...rows, token: `${rows.token}~${randomUUID()}` }, where });
      }),
    query: (sql) => readers.reduce((free, other) => (other.waiting() < free.waiting() ? other : free)).run(sql),
    command: async (sql) => void (await worker.run(sql)),
    file: async ({ sql, path, format }) =>
      void (await filer.run(`INSERT INTO FUNCTION file(${quoted(path)}, ${quoted(format)}) ${sql}`)),
    async close() {
      for (const each of [...readers, worker, filer, writer]) await each.exclusively(async (session) => session.close());
    },
  };
}

type Inserting = { name: string; rows: Insert; where?: string };

async function insertRows(session: ChdbSession, { name, rows: { table, columns, token }, where }: Inserting): Promise<void> {
  const names = columns.map((column) => assertIdentifier(column.name)).join(", ");
  _arrowRegisterColumns(session.connection, name, arrowColumns(columns));
  try {
    const from = `SELECT ${columns.map(selected).join(", ")} FROM arrowstream('${name}')${where === undefined ? "" : ` WHERE ${where}`}`;
    await ask(
      session,
      `INSERT INTO ${assertIdentifier(table)} (${names}) ${from} SETTINGS insert_deduplication_token = ${quoted(token)}, async_insert = 0`,
    );
  } finally {
    _arrowUnregister(session.connection, name);
  }
}

/** One session and its queue. */
function lane(session: ChdbSession) {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  const exclusively = <T>(work: (session: ChdbSession) => Promise<T>): Promise<T> => {
    waiting++;
    const mine = last.then(() => work(session)).finally(() => waiting--);
    last = mine.catch(() => undefined);
    return mine;
  };
  return { waiting: () => waiting, exclusively, run: (sql: string) => exclusively(() => ask(session, sql)) };
}

async function ask(session: ChdbSession, sql: string): Promise<string> {
  try {
    return (await session.queryAsync(sql, { format: "JSONEachRow" })).text();
  } catch (error) {
    await discardRest(session);
    throw error;
  }
}

/**
 * chdb 3.4.0 keeps the rows that a query wrote before it failed, and puts them in front of the next answer of that session: somebody
 * else's answer. So after each failure we ask for something known until exactly that comes back.
 */
async function discardRest(session: ChdbSession): Promise<void> {
  for (let tries = 0; tries < 5; tries++) {
    const answer = await session.queryAsync("SELECT 1 AS clean", { format: "JSONEachRow" });
    if (answer.bytes().length < 100 && answer.text().trim() === '{"clean":1}') return;
  }
  process.kill(process.pid, "SIGKILL"); // A session that cannot be trusted: the supervisor starts a new process.
}
