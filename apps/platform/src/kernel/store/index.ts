export { absentStore } from "./absent.ts";
export { type ChdbStore, openChdbStore } from "./chdb-store.ts";
export { openClickHouseStore } from "./clickhouse-store.ts";
export { type Column, type Texts, textsOf, wholeNumbers } from "./column.ts";
export { migrateStore } from "./migrations.ts";
export type { ColumnStore, FileForm, Insert } from "./port.ts";
export type { Parameters } from "./sql.ts";
