export { type ClickHouseFront, clickHouseFront } from "./clickhouse/front.ts";
export { makeSimFirmware, type SimFirmware } from "./firmware.ts";
