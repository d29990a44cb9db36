export { type ClickHouseFront, clickHouseFront } from "./clickhouse/front.ts";
export { makeSimFirmware, type SimFirmware } from "./firmware.ts";
export { type Heard, type PretendPlatform, startPretendPlatform } from "./pretend-platform.ts";
