export { type ClickHouseFront, clickHouseFront } from "./clickhouse/front.ts";
export { endsWithUs } from "./ends-with-us.ts";
export { makeSimFirmware, type SimFirmware } from "./firmware.ts";
export { firstFlight } from "./first-flight.ts";
export {
  makeSoftToken,
  makeSoftwareTpm,
  type SoftToken,
  type SoftwareTpm,
  withoutKeyEngine,
  withoutSoftHsm,
  withoutSoftwareTpm,
} from "./hardware.ts";
export { canSyncAlways, findNatsServer, type NatsServer, startNatsServer } from "./nats-server.ts";
export { mountPoints, ownFolder } from "./own-folder.ts";
export { isGone } from "./owners.ts";
export { type Heard, type PretendPlatform, startPretendPlatform } from "./pretend-platform.ts";
export { createPretendRepository, newMetadataSigner, type PretendRepository } from "./pretend-repository.ts";
export { findS3Server, type S3Server, startS3Server } from "./s3-server.ts";
