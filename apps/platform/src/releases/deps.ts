import type { Scope } from "@tenfold/base";
import type { FastifyRequest } from "fastify";
import type { Audit } from "../access/index.ts";
import type { Blobs, Clock, Database, Log } from "../kernel/index.ts";
import type { RunningFirmware } from "./release.ts";

export type ReleasesDeps = {
  db: Database;
  blobs: Blobs;
  /** Where the parts of unfinished uploads lie: another place than the artifacts. */
  parts: Blobs;
  audit: Audit;
  clock: Clock;
  log: Log;
  maxArtifactBytes: number;
  /** How many bytes all unfinished uploads of a fleet may come to. */
  uploadQuotaBytes: number;
  /** How long an unfinished upload is kept after its last byte. */
  uploadLifetimeMs: number;
  /** Lets a device in by its client certificate, or throws the Problem that says why not. */
  admitRequest: (request: FastifyRequest) => Promise<{ device: string; scope: Scope }>;
  /** How many devices run which firmware now. */
  firmwareInUse: (scope: Scope) => Promise<(RunningFirmware & { devices: number })[]>;
};
