import type { Scope } from "@tenfold/base";
import type { NextDeployment } from "@tenfold/contracts";
import type { MetadataSigner } from "@tenfold/ota";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Audit } from "../access/index.ts";
import type { Clock, Database, Log } from "../kernel/index.ts";

export type Board = { model?: string | undefined; hardwareRevision?: string | undefined };

/** An update that does not fit the hardware of the device that it was meant for. */
export type Misdirected = {
  device: string;
  deployment: string;
  reason: "offer_incompatible_model" | "offer_incompatible_hardware";
  detail: string;
};

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
  /** A device's hardware as the registry knows it. */
  boardOf: (device: string, scope: Scope) => Promise<Board>;
  /** Ends a deployment that the director does not sign, and says why. Twice is once. */
  leaveOut: (scope: Scope, deployment: Misdirected) => Promise<void>;
  sendArtifact: (scope: Scope, sha256: string, exchange: { request: FastifyRequest; reply: FastifyReply }) => Promise<FastifyReply>;
};
