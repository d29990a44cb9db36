import type { Clock, Database, Log } from "../kernel/index.ts";

export type AccessDeps = {
  db: Database;
  clock: Clock;
  log: Log;
  /** Where browsers reach the console, when that is not the address this server sees (behind a proxy). */
  publicUrl?: string | undefined;
  /** How long the keys of an issuer are not asked for again because of a key id that nobody knows; for tests. */
  cooldownMs?: number;
};
