import { defineProblems } from "@tenfold/base";

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
