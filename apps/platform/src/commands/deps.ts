import type { Audit } from "../access/index.ts";
import type { Bus, Clock, Database, Log } from "../kernel/index.ts";
import type { Registry } from "../registry/index.ts";

type Send = (device: string, message: { topic: `commands/${string}`; payload: string }) => boolean;

export type CommandsDeps = {
  db: Database;
  registry: Pick<Registry, "get" | "select" | "reportedOf">;
  /** Gives a device a command if it is connected here. What is not sent is asked for when it connects. */
  send: Send;
  /** What a device finds there has changed. Its link reads the newest: what was read here may be older by the time it went out. */
  refresh: (device: string, topic: "state/desired") => boolean;
  audit: Audit;
  bus: Bus;
  clock: Clock;
  log: Log;
  /** How often the loop looks, ms. */
  tickMs?: number;
};
