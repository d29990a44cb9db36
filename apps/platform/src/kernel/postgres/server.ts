import { seconds } from "@tenfold/base";
import pg from "pg";
import type { Log } from "../log.ts";
import type { Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";
import type { Home } from "./home.ts";
import { postgresProblems } from "./problems.ts";

/** An embedded server: where it lives, as whom and with what it runs. `scratch` forgets everything on a power cut and is for tests alone. */
export type Server = { home: Home; account: Account | undefined; binaries: Binaries; log: Log; keeps: "everything" | "scratch" };

/** The name of the role and of the database. */
export const user = "tenfold";

export function urlFor({ socket, password }: Home, database: string): string {
  return `postgresql://${user}:${encodeURIComponent(password)}@localhost/${database}?host=${encodeURIComponent(socket)}`;
}

/** True when the server takes our connection now; false while it starts, stops or is not there. */
export async function answers({ home }: Server): Promise<boolean> {
  return ask(home, async () => true).catch((error: unknown) => {
    // Every other answer (a wrong password, say) would stay the same, however long one waited.
    if (isNotReady(error)) return false;
    throw postgresProblems.embedded_postgres_failed("The embedded PostgreSQL refuses our connection.", {
      cause: error,
      fix: "The file `password` beside it must be the one that was made with this cluster: bring it back from a backup.",
    });
  });
}

const notReady = new Set(["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE", "57P03", "57P01"]);
// pg gives no code to its own time-out, nor to a connection that ends while it is made.
const isNotReady = (error: unknown) =>
  error instanceof Error && (("code" in error && notReady.has(String(error.code))) || /timeout|terminated/i.test(error.message));

async function ask<Answer>(home: Home, question: (client: pg.Client) => Promise<Answer>): Promise<Answer> {
  const client = new pg.Client({
    connectionString: urlFor(home, "postgres"),
    connectionTimeoutMillis: 2_000,
    query_timeout: seconds(30),
  });
  client.on("error", () => {});
  try {
    await client.connect();
    return await question(client);
  } finally {
    await client.end();
  }
}

/** Makes the database, unless it is there. */
export async function createDatabase({ home }: Server): Promise<void> {
  await ask(home, async (client) => {
    const { rowCount } = await client.query("select 1 from pg_database where datname = $1", [user]);
    if (rowCount === 0) await client.query(`create database ${user}`);
  });
}
