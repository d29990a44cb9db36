import type { Scope } from "@tenfold/base";
import type { FastifyRequest } from "fastify";
import type { Audit } from "../access/index.ts";
import type { Blobs, Clock, Database } from "../kernel/index.ts";
import type { RunningFirmware } from "./release.ts";

export type ReleasesDeps = {
  db: Database;
  blobs: Blobs;
  audit: Audit;
  clock: Clock;
  maxArtifactBytes: number;
  /** Lets a device in by its client certificate, or throws the Problem that says why not. */
  admitRequest: (request: FastifyRequest) => Promise<{ device: string; scope: Scope }>;
  /** How many devices run which firmware now. */
  firmwareInUse: (scope: Scope) => Promise<(RunningFirmware & { devices: number })[]>;
};
