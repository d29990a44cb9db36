import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { throwAwayDatabase } from "../testing.ts";
import { awayProblem } from "./problems.ts";

async function failureOf(url: string, statement: string, settings: pg.ClientConfig = {}): Promise<unknown> {
  const client = new pg.Client({ connectionString: url, ...settings });
  client.on("error", () => {});
  try {
    await client.connect();
    return await client.query(statement);
  } catch (error) {
    return error;
  } finally {
    await client.end().catch(() => {});
  }
}

test("a server that is away, ends the connection or takes too long is a 503 that says when to try again; a wrong query is not", async () => {
  await using database = await throwAwayDatabase();
  const ended = "select pg_terminate_backend(pg_backend_pid())";
  for (const failure of [
    await failureOf("postgresql://nobody@localhost/none?host=/nonexistent", "select 1"),
    await failureOf(database.url, ended),
    await failureOf(database.url, "select pg_sleep(5)", { statement_timeout: 20 }),
    await failureOf(database.url, "select pg_sleep(5)", { query_timeout: 20 }),
  ]) {
    const problem = awayProblem(failure);
    assert.deepEqual([problem?.code, problem?.status, problem?.retryAfterS], ["database_unreachable", 503, 5], String(failure));
  }
  assert.equal(awayProblem(await failureOf(database.url, "select 1/0")), undefined);
  assert.equal(awayProblem(new TypeError("a mistake of ours")), undefined);
});
