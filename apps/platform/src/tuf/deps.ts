import type { Scope } from "@tenfold/base";
import type { NextDeployment } from "@tenfold/contracts";
import type { MetadataSigner } from "@tenfold/ota";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Audit } from "../access/index.ts";
import type { Clock, Database, Log } from "../kernel/index.ts";

export type TufDeps = {
  db: Database;
  audit: Audit;
  clock: Clock;
  log: Log;
  /** The server's own key: it signs timestamps, snapshots and the director's word, and no image. */
  online: MetadataSigner;
  /** Lets a device in by its client certificate, or throws the Problem that says why not. */
  admitRequest: (request: FastifyRequest) => Promise<{ device: string; scope: Scope }>;
  /** What a device is to do now. */
  next: (device: string, scope: Scope) => Promise<NextDeployment>;
  /** The model that a device reports, if it does. */
  modelOf: (device: string, scope: Scope) => Promise<string | undefined>;
  sendArtifact: (scope: Scope, sha256: string, exchange: { request: FastifyRequest; reply: FastifyReply }) => Promise<FastifyReply>;
};
