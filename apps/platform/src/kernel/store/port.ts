import type { Readable } from "node:stream";
import { defineProblems } from "@tenfold/base";
import type { Column } from "./column.ts";
import type { Parameters } from "./sql.ts";

/**
 * `store_unavailable`: the store cannot answer now; the same call may succeed later, and an insert is repeated with the same token.
 * `store_refused`: it will never take this statement or these rows. `query_too_long`: the deadline passed before the answer.
 * `store_locked`: another process works on the same folder.
 */
export const storeProblems = defineProblems({ store_unavailable: 503, store_refused: 500, query_too_long: 503, store_locked: 500 });

export type Insert = {
  table: string;
  columns: readonly Column[];
  /** The same token never stores twice, also after a crash, as long as it names exactly the same rows (10,000 tokens are remembered a table). */
  token: string;
  /**
   * Whether an earlier attempt with these rows may have been applied, in whole or in part, without an answer that was heard. Then the rows that the
   * table holds already are left out, whatever became of the token: an engine that loses power may forget a token whose rows it kept, or keep
   * one whose rows it lost.
   */
  again?: boolean;
};

/**
 * The store of measurements, events and logs: ClickHouse's engine, embedded or as a server. An insert is atomic as long as its rows
 * lie in one partition and are at most 1,000,000; it is durable when its promise resolves.
 */
export type ColumnStore = {
  insert(insert: Insert): Promise<void>;
  /** Reads, and only reads: one statement, `{name:Type}` filled in from `parameters`. 64-bit numbers come as JavaScript numbers. */
  query<Row>(sql: string, parameters?: Parameters): Promise<Row[]>;
  /** One statement that changes tables, `{name:Type}` filled in. It may take minutes, and does not hold up inserts. */
  command(sql: string, parameters?: Parameters): Promise<void>;
  /**
   * The answer of one SELECT as a file: its bytes as they are asked for, whatever its size. Rejects before the first byte where the engine
   * can tell by then. Destroy the stream to give up.
   */
  download(sql: string, parameters: Parameters, form: FileForm): Promise<Readable>;
  /** Resolves when the engine answers; rejects with `store_unavailable`. */
  ping(): Promise<void>;
  /** Waits for what is under way, then ends. */
  close(): Promise<void>;
};

/** `csv` has a line with the columns' names. */
export type FileForm = "csv" | "parquet";
export const engineForm: Readonly<Record<FileForm, string>> = { csv: "CSVWithNames", parquet: "Parquet" };

export type Deadlines = { queryMs: number; insertMs: number };
export const usualDeadlines: Deadlines = { queryMs: 30_000, insertMs: 60_000 };
/** For statements that rewrite tables, and for files: minutes, not seconds. */
export const longWorkMs = 600_000;

/** What a MergeTree table needs so that an insert survives a power cut and a repeated token is dropped. */
export const durableTable =
  "fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1";

/**
 * ClickHouse error codes that say "not now" about an insert: time-outs, memory, disk, too many parts, read-only, network, shutting
 * down. Any other refusal is about the rows or the statement, and repeating it would change nothing.
 */
export const passingErrorCodes: ReadonlySet<number> = new Set([
  3, 74, 75, 76, 159, 160, 164, 173, 198, 201, 202, 203, 209, 210, 225, 236, 241, 242, 243, 252, 279, 290, 319, 425, 439, 499, 516,
  1000,
]);
