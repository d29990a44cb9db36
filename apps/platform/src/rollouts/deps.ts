import type { Scope } from "@tenfold/base";
import type { CrashSignature } from "@tenfold/contracts";
import type { Audit } from "../access/index.ts";
import type { Bus, Clock, Database, Log } from "../kernel/index.ts";
import type { Registry } from "../registry/index.ts";
import type { Releases } from "../releases/index.ts";
import type { Book } from "./book.shell.ts";
import type { Circumstances } from "./conditions.ts";
import type { GuardBook } from "./guards/book.shell.ts";
import type { Firmware } from "./rollout.ts";

/** What the engine must know of a device; the registry's picture has more. */
export type DevicePicture = {
  id: string;
  lifecycle: string;
  model?: string | undefined;
  hardwareRevision?: string | undefined;
  tags: Readonly<Record<string, string>>;
  firmware?: { version: string; hash?: string | undefined; state?: string | undefined } | undefined;
  bootId?: string | undefined;
  /** Boots of it that were followed by another. */
  pastBoots?: readonly string[] | undefined;
  /** Number of its newest heartbeat. */
  seq?: number | undefined;
  connectivity: { is: string; since?: number | undefined };
  lastContactAt?: number | undefined;
} & Circumstances;

export type RolloutsDeps = {
  db: Database;
  /** Where rollouts are written down: `postgresBook`. */
  book: Book;
  /** Where comparisons and the evidence of decisions are written down: `postgresGuardBook`. */
  guardBook: GuardBook;
  registry: Pick<Registry, "select" | "pictures">;
  releases: Pick<Releases, "get" | "usability" | "running" | "markUsed">;
  /**
   * What a device finds there has changed, and is committed. Its link asks `next`, which answers from the tables, and sends that: what was read here could
   * be older than what the device has heard by then. A device that is not connected asks when it comes.
   */
  refresh: (device: string, topic: "deployments/next") => boolean | Promise<boolean>;
  /** Crashes that were received while devices were exposed to a rollout, those on the most devices first. */
  crashSignatures?: (scope: Scope, rollout: string) => Promise<CrashSignature[]>;
  audit: Audit;
  bus: Bus;
  clock: Clock;
  log: Log;
  tickMs: number;
};

export const firmwareOf = ({ firmware }: DevicePicture): Firmware | undefined =>
  firmware && { version: firmware.version, ...(firmware.hash === undefined ? {} : { hash: firmware.hash }) };
