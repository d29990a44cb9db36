import { readFile } from "node:fs/promises";
import pg from "pg";

/** A connection of our own to the platform's embedded PostgreSQL; it ends with the scope. */
export async function connectPostgres(dataDir: string): Promise<AsyncDisposable & { ask(sql: string): Promise<pg.QueryResult> }> {
  const folder = `${dataDir}/postgres`;
  const client = new pg.Client({
    host: `${folder}/socket`,
    user: "tenfold",
    database: "tenfold",
    password: (await readFile(`${folder}/password`, "utf8")).trim(),
    connectionTimeoutMillis: 5_000,
    query_timeout: 10_000,
  });
  // The server is about to be killed: that its connections end is the point.
  client.on("error", () => {});
  await client.connect();
  return {
    ask: (sql) => client.query(sql),
    [Symbol.asyncDispose]: () => client.end().catch(() => {}),
  };
}
