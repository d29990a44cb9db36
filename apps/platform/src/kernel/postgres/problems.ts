import { defineProblems, type Problem } from "@tenfold/base";

export const postgresProblems = defineProblems({
  database_unreachable: 503,
  database_too_old: 500,
  database_not_durable: 500,
  database_encoding_wrong: 500,
  database_number_too_large: 500,
  embedded_postgres_missing: 500,
  embedded_postgres_failed: 500,
  embedded_postgres_in_use: 409,
  embedded_postgres_version: 500,
  migration_changed: 500,
  migration_misnumbered: 500,
  migration_unknown: 500,
  migration_failed: 500,
});

export const unreachableServer = (cause: unknown) =>
  postgresProblems.database_unreachable("PostgreSQL does not answer.", {
    cause,
    fix: "Check that the server runs and that TENFOLD_DATABASE_URL names it, its user and its password.",
  });

/** PostgreSQL's codes for "not now": connection trouble, no resources left, a server that starts or stops, a lock or an answer that took too long. */
const passingStates = /^(08...|53...|57P0[1-5]|57014|55P03)$/;
const connectionErrors = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "EMFILE"]);
// pg has no code for its own deadlines, nor for a connection that ends under a query.
const wordsOfPg =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error)/;

/** The problem to answer when a query failed because the server is away or overloaded just now; undefined when the query itself is at fault. */
export function awayProblem(error: unknown): Problem | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code = "", syscall } = error as NodeJS.ErrnoException; // both are absent on most errors
  const away =
    passingStates.test(code) ||
    connectionErrors.has(code) ||
    (code === "ENOENT" && syscall === "connect") ||
    (code === "" && wordsOfPg.test(error.message));
  if (!away) return undefined;
  return postgresProblems.database_unreachable("PostgreSQL cannot answer just now.", {
    cause: error,
    fix: "Try again in a few seconds. When it stays away, look at the server's log.",
    retryAfterS: 5,
  });
}
