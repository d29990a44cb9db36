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

type Send = (device: string, message: { topic: "deployments/next"; payload: string }) => boolean | Promise<boolean>;

export type RolloutsDeps = {
  db: Database;
  /** Where rollouts are written down: `postgresBook`. */
  book: Book;
  /** Where comparisons and the evidence of decisions are written down: `postgresGuardBook`. */
  guardBook: GuardBook;
  registry: Pick<Registry, "select" | "pictures">;
  releases: Pick<Releases, "get" | "usability" | "running" | "markUsed">;
  /** Gives a device its document if it is connected here. What is not sent is asked for: `next` answers from the tables. */
  send: Send;
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
