import type { Json, Scope } from "@tenfold/base";
import type { Actor } from "@tenfold/contracts";
import type { FastifyRequest } from "fastify";
import type { Blobs, Clock, Database, Transaction } from "../kernel/index.ts";
import type { RunningFirmware } from "./release.ts";

/** Writes to the audit trail in the transaction of the change itself. */
export type Audit = (
  tx: Transaction,
  scope: Scope,
  entry: { actor: Actor; action: string; subject: { kind: string; id: string }; detail: Record<string, Json> },
) => Promise<void>;

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
