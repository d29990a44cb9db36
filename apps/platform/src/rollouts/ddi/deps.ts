import type { Scope } from "@tenfold/base";
import type { Heartbeat } from "@tenfold/contracts";
import type { FastifyRequest } from "fastify";
import type { Blobs, Clock, Database, Log } from "../../kernel/index.ts";
import type { Registry } from "../../registry/index.ts";
import type { Releases } from "../../releases/index.ts";
import type { ObservedHeartbeat, ObservedReport } from "../observe.shell.ts";

export type Contact = { device: string; at: number; leaseMs?: number; heartbeat?: Heartbeat };

export type DdiDeps = {
  db: Database;
  clock: Clock;
  log: Log;
  blobs: Pick<Blobs, "read" | "stat">;
  registry: Pick<Registry, "pictures" | "recordContacts" | "recordReported">;
  releases: Pick<Releases, "get" | "sendArtifact">;
  /** The rollouts' own front door: a device behind DDI is a device like every other. */
  rollouts: {
    observeReports(batch: readonly ObservedReport[]): Promise<void>;
    observeHeartbeats(batch: readonly ObservedHeartbeat[]): Promise<void>;
  };
  /** Lets a device in by its client certificate, or throws the Problem that says why not. `issuedAt` is when that certificate was made. */
  admitRequest: (request: FastifyRequest) => Promise<{ device: string; scope: Scope; issuedAt?: number }>;
  /** A sign of life that nobody has to wait for. */
  contact: (contact: Contact) => void;
  /** How often devices are asked to poll. */
  pollMs: number;
};
