import type { Column } from "./column.ts";

/** What the platform asks of the store process. */
export type StoreCall =
  | { id: number; do: "query"; sql: string }
  | { id: number; do: "command"; sql: string }
  | { id: number; do: "file"; sql: string; path: string; format: string }
  | { id: number; do: "insert"; table: string; columns: readonly Column[]; token: string; again?: boolean }
  | { id: number; do: "close" };

/** How a call ended. `code` is ClickHouse's error code where there is one. */
export type StoreAnswer =
  | { id: number; is: "done"; text: string }
  | { id: number; is: "failed"; code: number | undefined; message: string };

/** What the store process says once, before any answer. */
export type StoreGreeting = { is: "ready" } | { is: "locked"; message: string };

export type WorkerSettings = { path: string; queryMs: number };
