import { setTimeout as pause } from "node:timers/promises";
import { hours, minutes, seconds } from "@tenfold/base";
import { Kysely, type Transaction as KyselyTransaction, PostgresDialect } from "kysely";
import pg from "pg";
import type { Log } from "../log.ts";
import { postgresProblems, unreachableServer } from "./problems.ts";

/** No table types: each module's `store.ts` writes plain SQL with kysely's `sql` tag and names its own row types. */
export type Database = Kysely<Record<never, never>>;
export type Transaction = KyselyTransaction<Record<never, never>>;
/** What a question can be put to: the pool, or a transaction under way. */
export type Queryable = Database | Transaction;

export type OpenDatabase = {
  db: Database;
  /** Waits for the queries under way (each has a deadline), then closes every connection. Safe to call twice. */
  close(): Promise<void>;
};

export type DatabaseOptions = { url: string; log: Log /** Connections at most. */; max?: number };

const waits = {
  connectionTimeoutMillis: seconds(10),
  statement_timeout: seconds(30),
  // The server's own deadline comes first; this one is for a server that has gone silent.
  query_timeout: seconds(40),
  lock_timeout: seconds(15),
  idle_in_transaction_session_timeout: minutes(1),
};

const oldestMajor = 16;

/**
 * Opens the pool, the only way to PostgreSQL, and looks at the server before anything rests on it: 16 or newer, UTF-8, and a commit
 * that means "on disk". int8 is read as a number (and refused past 2^53), timestamptz as Date, json as values.
 */
export async function openDatabase({ url, log, max = 20 }: DatabaseOptions): Promise<OpenDatabase> {
  const types = { getTypeParser };
  const pool = new pg.Pool({
    connectionString: url,
    max,
    keepAlive: true,
    application_name: "tenfold",
    maxLifetimeSeconds: hours(1) / 1_000,
    types,
    ...waits,
  });
  const db: Database = new Kysely({ dialect: new PostgresDialect({ pool }) });
  let closing: Promise<void> | undefined;
  // Without a listener, a connection that the server ends (a restart) would end this process.
  pool.on("error", (error) => {
    if (closing === undefined) log.warn("postgres.connection_lost", { because: error.message });
  });
  // The pool listens only to connections that rest. One that breaks between two queries of a transaction rejects the next of them; its
  // event would end this process all the same.
  pool.on("connect", (client) => client.on("error", () => {}));
  const close = () => {
    closing ??= db.destroy();
    return closing;
  };
  try {
    await inspectServer({ pool, log });
  } catch (error) {
    await close();
    throw error;
  }
  return { db, close };
}

type ServerFacts = { version: number; label: string; commit: string; encoding: string; fsync: string };

async function inspectServer({ pool, log }: { pool: pg.Pool; log: Log }): Promise<void> {
  const facts = await askServer(pool, log);
  if (facts.version < oldestMajor * 10_000) {
    throw postgresProblems.database_too_old(
      `The database server is PostgreSQL ${facts.label}; Tenfold needs ${oldestMajor} or newer.`,
      { fix: "Upgrade the server, or name another in TENFOLD_DATABASE_URL." },
    );
  }
  if (facts.commit === "off") {
    throw postgresProblems.database_not_durable(
      "The database server runs with synchronous_commit=off, so it would forget changes that it confirmed.",
      { fix: "Set synchronous_commit to on (for the server, the database and the role)." },
    );
  }
  if (facts.encoding !== "UTF8") {
    throw postgresProblems.database_encoding_wrong(`The database is encoded in ${facts.encoding}; Tenfold needs UTF8.`, {
      fix: "Create it with: create database tenfold encoding 'UTF8' template template0",
    });
  }
  if (facts.fsync === "off") log.warn("postgres.fsync_off", { meaning: "a power cut can lose or damage confirmed changes" });
}

async function askServer(pool: pg.Pool, log: Log): Promise<ServerFacts> {
  const question = `select current_setting('server_version_num')::int as version, current_setting('server_version') as label,
    current_setting('synchronous_commit') as commit, current_setting('server_encoding') as encoding, current_setting('fsync') as fsync`;
  try {
    const { rows } = await onceStarted(() => pool.query<ServerFacts>(question), log);
    if (rows[0]) return rows[0];
  } catch (cause) {
    throw unreachableServer(cause);
  }
  throw postgresProblems.database_unreachable("PostgreSQL answered without a row.");
}

/** How long a start waits for a server that says that it is starting, or reading its log after a crash. */
const startsWithinMs = minutes(1);

/** A machine that comes back starts both at once. Every other refusal stays one, however long one waits. */
async function onceStarted<Answer>(ask: () => Promise<Answer>, log: Log): Promise<Answer> {
  let told = false;
  for (const giveUpAt = Date.now() + startsWithinMs; ; await pause(250)) {
    try {
      return await ask();
    } catch (error) {
      if (!isStarting(error) || Date.now() > giveUpAt) throw error;
      if (!told) log.info("postgres.starting", { because: error.message, patienceMs: startsWithinMs });
      told = true;
    }
  }
}

/** PostgreSQL's `cannot_connect_now`. */
const isStarting = (error: unknown): error is Error => error instanceof Error && "code" in error && error.code === "57P03";

const int8 = 20;

// pg's own parsers have no common type: what they return depends on the column.
function getTypeParser(oid: number, format?: "text" | "binary"): ReturnType<typeof pg.types.getTypeParser> {
  return oid === int8 && format !== "binary" ? safeInteger : pg.types.getTypeParser(oid, format);
}

function safeInteger(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw postgresProblems.database_number_too_large(`The database holds the whole number ${text}, which is past 2^53.`);
}
