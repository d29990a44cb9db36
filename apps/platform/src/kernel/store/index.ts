export { type ChdbStore, type ChdbStoreOptions, openChdbStore } from "./chdb-store.ts";
export { type ClickHouseStoreOptions, openClickHouseStore } from "./clickhouse-store.ts";
export { type Column, countRows, dictionaryColumn } from "./column.ts";
export { migrateStore } from "./migrations.ts";
export { type ColumnStore, type Deadlines, durableTable, type Insert, storeProblems, usualDeadlines } from "./port.ts";
export { fillIn, type Parameters } from "./sql.ts";
