import type { Clock, Database, Log } from "../kernel/index.ts";

export type AccessDeps = { db: Database; clock: Clock; log: Log };
