import type { Scope } from "@tenfold/base";
import type { FastifyRequest } from "fastify";
import type { Audit } from "../access/index.ts";
import type { Blobs, Bus, Clock, Database, Log } from "../kernel/index.ts";

/** The update that a device was exposed to at a moment. */
export type Exposure = { rollout: string; deployment: string; release: string; version: string };

export type CrashesDeps = {
  db: Database;
  /** A store of their own: what a device sends can never be taken for an artifact, nor its deletion for one's. */
  blobs: Blobs;
  audit: Audit;
  bus: Bus;
  clock: Clock;
  log: Log;
  admitRequest: (request: FastifyRequest) => Promise<{ device: string; scope: Scope }>;
  exposureOf: (scope: Scope, device: string, at: number) => Promise<Exposure | undefined>;
  maxBytes: number;
  keepMs: number;
};
