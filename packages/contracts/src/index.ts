export * from "./api/index.ts";
export * from "./device/attestation.ts";
export * from "./device/commands.ts";
export * from "./device/deployment.ts";
export * from "./device/heartbeat.ts";
export * from "./device/identity.ts";
export * from "./device/topics.ts";
export * from "./manifest.ts";
