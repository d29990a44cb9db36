export { type EmbeddedOptions, type EmbeddedPostgres, startEmbedded } from "./embedded.ts";
export { type Leader, seekLead } from "./leader.ts";
export { migrate } from "./migrations.ts";
export { type Database, type DatabaseOptions, type OpenDatabase, openDatabase, type Queryable, type Transaction } from "./pool.ts";
export { awayProblem, postgresProblems } from "./problems.ts";
