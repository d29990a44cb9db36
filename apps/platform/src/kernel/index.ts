/** The platform's ground floor: databases, HTTP, TLS, log, clock, loops, bus, blobs. It knows no word of the domain. */

export { type Batcher, type BatcherOptions, createBatcher } from "./batcher.ts";
export { openBlobs } from "./blobs/files.ts";
export { type Blobs, blobProblems, type PutOptions } from "./blobs/port.ts";
export { openS3Blobs, type S3Options } from "./blobs/s3.ts";
export { type Bus, type BusListener, type BusMessage, createBus } from "./bus/bus.ts";
export { natsWire } from "./bus/nats-wire.ts";
export { postgresWire } from "./bus/postgres-wire.ts";
export type { BusWire } from "./bus/wire.ts";
export { type Clock, systemClock } from "./clock.ts";
export * from "./http/index.ts";
export * from "./journal/index.ts";
export { createLog, type Log, type LogFields, type LogLevel, silentLog } from "./log.ts";
export { humanLine } from "./log-line.ts";
export { type Loop, type LoopOptions, startLoop } from "./loop.ts";
export { createMetrics, type Metrics } from "./metrics.ts";
export * from "./nats/index.ts";
export * from "./postgres/index.ts";
export * from "./store/index.ts";
