import type { Scope } from "@tenfold/base";
import type { ReleaseStatement } from "@tenfold/contracts";
import type { Trust } from "@tenfold/ota";
import type { FastifyRequest } from "fastify";
import type { Audit } from "../access/index.ts";
import type { Blobs, Clock, Database, Log, Queryable } from "../kernel/index.ts";
import type { Checks, Integrity } from "./integrity/integrity.shell.ts";
import type { RunningFirmware } from "./release.ts";

/** Whether a release stands in the image repository, and whose signatures it then needs; where there is none, registered keys count. */
export type Standing = { is: "no_repository" } | { is: "listed"; trust: Trust } | { is: "unlisted"; detail: string };

export type ReleasesDeps = {
  db: Database;
  blobs: Blobs;
  /** Where the parts of unfinished uploads lie: another place than the artifacts. */
  parts: Blobs;
  audit: Audit;
  clock: Clock;
  log: Log;
  /** How artifacts are read again, where they lie on a disk of ours; left out where another store keeps checksums itself. */
  checks?: Checks | undefined;
  maxArtifactBytes: number;
  /** How many bytes all unfinished uploads of a fleet may come to. */
  uploadQuotaBytes: number;
  /** How long an unfinished upload is kept after its last byte. */
  uploadLifetimeMs: number;
  standing: (on: Queryable, scope: Scope, statement: ReleaseStatement) => Promise<Standing>;
  /** Lets a device in by its client certificate, or throws the Problem that says why not. */
  admitRequest: (request: FastifyRequest) => Promise<{ device: string; scope: Scope }>;
  /** How many devices run which firmware now. */
  firmwareInUse: (scope: Scope) => Promise<(RunningFirmware & { devices: number })[]>;
};

/** What the module is made of inside. */
export type ReleasesParts = ReleasesDeps & { integrity: Integrity };
