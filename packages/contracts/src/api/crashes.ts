import { z } from "zod";
import { pageOf, pageQuery, timestamp } from "./common.ts";
import { operation } from "./operation.ts";

/** What a device may leave behind: a core dump, the kernel's pstore, the log of the boot that failed, the last log lines. */
export const crashKind = z.enum(["core", "pstore", "bootlog", "log"]);
export type CrashKind = z.infer<typeof crashKind>;

/** One crash artifact. With a rollout it is pinned: it was received while the device was exposed to that update. */
export const crash = z.object({
  id: z.string(),
  device: z.string(),
  kind: crashKind,
  sha256: z.string(),
  size: z.int(),
  receivedAt: timestamp,
  bootId: z.string().optional(),
  version: z.string().optional(),
  /** SHA-256 of the image that crashed. */
  build: z.string().optional(),
  signature: z.string(),
  title: z.string(),
  frames: z.array(z.string()),
  rollout: z.string().optional(),
  deployment: z.string().optional(),
  release: z.string().optional(),
  pinned: z.boolean(),
  keepUntil: timestamp.optional(),
  removedAt: timestamp.optional(),
});
export type Crash = z.infer<typeof crash>;

/** Crashes that are alike. */
export const crashSignature = z.object({
  signature: z.string(),
  title: z.string(),
  frames: z.array(z.string()),
  version: z.string().optional(),
  build: z.string().optional(),
  crashes: z.int(),
  devices: z.int(),
  firstAt: timestamp,
  lastAt: timestamp,
  /** One of them, to look at. */
  example: z.string(),
});
export type CrashSignature = z.infer<typeof crashSignature>;

const of = z.object({
  device: z.string().max(64).optional(),
  rollout: z.string().max(64).optional(),
  release: z.string().max(64).optional(),
  signature: z.string().max(64).optional(),
});

export const crashOperations = {
  listCrashes: operation({
    name: "listCrashes",
    method: "GET",
    path: "/crashes",
    summary: "Crash artifacts, newest first: of a device, a rollout, a release, or of one signature.",
    permission: "telemetry.read",
    query: pageQuery.extend(of.shape),
    response: pageOf(crash),
  }),
  listCrashSignatures: operation({
    name: "listCrashSignatures",
    method: "GET",
    path: "/crash-signatures",
    summary: "Crashes that are alike, those on the most devices first.",
    permission: "telemetry.read",
    query: of,
    response: z.object({ items: z.array(crashSignature) }),
  }),
  releaseCrashes: operation({
    name: "releaseCrashes",
    method: "POST",
    path: "/crashes/release",
    summary: "Lets the crash artifacts of a rollout go: they are kept for the usual time from now on, and no longer for ever.",
    permission: "retention.write",
    body: z.strictObject({ rollout: z.string().min(1).max(64), reason: z.string().min(1).max(500) }),
    response: z.object({ released: z.int() }),
  }),
};
