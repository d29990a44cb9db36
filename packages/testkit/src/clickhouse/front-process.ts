/** The process of clickHouseFront: chdb with ClickHouse's HTTP protocol in front, as far as @clickhouse/client speaks it with us. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import chdb from "chdb";
import { type ArrowColumn, readRowBinary } from "./row-binary.ts";

type Session = {
  connection: unknown;
  queryAsync(sql: string, options: { format: string }): Promise<{ text(): string; bytes(): Uint8Array }>;
};
// chdb 3.4.0 exports these; its types leave two of them out.
const { Session, _arrowRegisterColumns, _arrowUnregister } = chdb as unknown as {
  Session: new (path: string) => Session;
  _arrowRegisterColumns(connection: unknown, name: string, columns: ArrowColumn[]): void;
  _arrowUnregister(connection: unknown, name: string): void;
};

process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));

const path = process.argv[2] ?? "";
const writer = new Session(path);
const reader = new Session(path);
await reader.queryAsync(
  "SET max_threads = 1, output_format_json_quote_64bit_integers = 0, max_query_size = 16777216, readonly = 1",
  { format: "Null" },
);

const queues = new Map<Session, Promise<unknown>>();
const inTurn = <T>(session: Session, work: () => Promise<T>): Promise<T> => {
  const mine = (queues.get(session) ?? Promise.resolve()).then(work);
  queues.set(
    session,
    mine.catch(() => undefined),
  );
  return mine;
};

/** After an error chdb 3.4.0 hands the failed query's rows to the next one: drain them. */
async function ask(session: Session, sql: string): Promise<string> {
  try {
    return (await session.queryAsync(sql, { format: "JSONEachRow" })).text();
  } catch (error) {
    while ((await session.queryAsync("SELECT 1 AS clean", { format: "JSONEachRow" })).text().trim() !== '{"clean":1}');
    throw error;
  }
}

/** With rows as they come, or chosen from them by a condition. */
const insertPattern =
  /^INSERT INTO ([\w.]+) \(([\w, ]+)\) (?:SELECT [\w, ]+ FROM input\('(?:[^'\\]|\\.)*'\) WHERE ([\s\S]+) )?FORMAT RowBinary$/;

async function insert({
  table,
  names,
  where,
  token,
  body,
}: {
  table: string;
  names: string[];
  where: string | undefined;
  token: string;
  body: Buffer;
}): Promise<void> {
  const described = JSON.parse(`[${(await ask(writer, `DESCRIBE TABLE ${table}`)).trim().replaceAll("\n", ",")}]`) as {
    name: string;
    type: string;
  }[];
  const columns = names.map(
    (name) =>
      described.find((column) => column.name === name) ??
      fail(`Code: 16. DB::Exception: No such column ${name} in table ${table}. (NO_SUCH_COLUMN_IN_TABLE)`),
  );
  const { columns: arrow, selects } = readRowBinary(body, columns);
  _arrowRegisterColumns(writer.connection, "body", arrow);
  try {
    const rows = `SELECT ${selects.map((select, place) => `${select} AS ${names[place]}`).join(", ")} FROM arrowstream('body')`;
    const chosen = where === undefined ? rows : `SELECT ${names.join(", ")} FROM (${rows}) WHERE ${where}`;
    const quoted = `'${token.replaceAll(/['\\]/g, "\\$&")}'`;
    await ask(
      writer,
      `INSERT INTO ${table} (${names.join(", ")}) ${chosen} SETTINGS insert_deduplication_token = ${quoted}, async_insert = 0`,
    );
  } finally {
    _arrowUnregister(writer.connection, "body");
  }
}

const fail = (message: string): never => {
  throw new Error(message);
};

async function answer(request: IncomingMessage): Promise<string | Uint8Array> {
  const url = new URL(request.url ?? "/", "http://front");
  if (url.pathname === "/ping") return "Ok.\n";
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const query = url.searchParams.get("query") ?? body.toString();
  const inserted = insertPattern.exec(query.trim());
  if (inserted?.[1] !== undefined && inserted[2] !== undefined) {
    const [, table, names, where] = inserted;
    await inTurn(writer, () =>
      insert({ table, names: names.split(", "), where, token: url.searchParams.get("insert_deduplication_token") ?? "", body }),
    );
    return "";
  }
  const file = /^([\s\S]*?)\s*FORMAT (Parquet|CSVWithNames)\s*$/.exec(query);
  if (file?.[1] !== undefined && file[2] !== undefined) {
    const [, sql, format] = file;
    return inTurn(reader, async () => {
      await ask(reader, `SELECT count() AS n FROM (${sql})`); // An error of the statement shows here, where it is drained.
      return (await reader.queryAsync(sql, { format })).bytes();
    });
  }
  const asked = /^([\s\S]*?)\s*FORMAT JSONEachRow\s*$/.exec(query)?.[1];
  if (asked === undefined) return inTurn(writer, () => ask(writer, query));
  return inTurn(reader, () => ask(reader, asked));
}

function refuse(response: ServerResponse, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  const code = /Code: (\d+)/.exec(message)?.[1] ?? "1000";
  response.writeHead(500, { "X-ClickHouse-Exception-Code": code });
  response.end(
    /^Code: \d+\. DB::Exception: /.test(message) ? message : `Code: ${code}. DB::Exception: ${message} (UNKNOWN_EXCEPTION)`,
  );
}

const server = createServer((request, response) => {
  answer(request).then(
    (text) => response.writeHead(200, { "Content-Type": "text/plain; charset=UTF-8" }).end(text),
    (error: unknown) => refuse(response, error),
  );
});
server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
