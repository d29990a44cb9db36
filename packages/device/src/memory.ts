import { describeError } from "@tenfold/base";
import { appliedDesired, commandArgs, commandResult, deploymentReport, signedRelease } from "@tenfold/contracts";
import { z } from "zod";
import { deviceProblems } from "./errors.ts";

/** How far an update has come on the device. The stages after `rebooting` are reached only by a start of the other slot. */
export const updateStage = z.enum(["downloading", "downloaded", "verified", "installing", "rebooting", "validating"]);
export type UpdateStage = z.infer<typeof updateStage>;

const update = z.strictObject({
  deployment: z.string(),
  release: signedRelease,
  artifactPath: z.string(),
  /** The device gives a download up at this time (milliseconds). */
  deadlineAt: z.number(),
  slot: z.enum(["a", "b"]),
  /** Bytes that are certainly in the slot. */
  received: z.int().min(0),
  stage: updateStage,
  stageSince: z.number(),
  /**
   * What the device was told of its maintenance window: outside of it the release is made ready and waits; `until` (milliseconds) the installation may
   * begin. Left out where it may at any time, and from the installation on.
   */
  window: z.strictObject({ is: z.enum(["unavailable", "available"]), until: z.number().optional() }).optional(),
  /** The last stage that the platform has acknowledged. */
  told: updateStage.optional(),
});
export type Update = z.infer<typeof update>;

/** A deployment that this device has done with. A report stands here until the platform has acknowledged it; success has none. */
const ended = z.strictObject({ deployment: z.string(), report: deploymentReport.optional(), told: z.boolean() });
export type Ended = z.infer<typeof ended>;

/** A command that this device has heard: it waits, was begun in some start, or has a result, which stands here until the platform has it. */
const rememberedCommand = z.strictObject({
  command: z.string(),
  name: z.string(),
  args: commandArgs,
  /** The device refuses it after this time (milliseconds). */
  deadlineAt: z.number(),
  /** The boot id in which it was begun. */
  startedIn: z.string().optional(),
  result: commandResult.optional(),
  told: z.boolean(),
});
export type RememberedCommand = z.infer<typeof rememberedCommand>;

/** What the platform has changed of the configuration. */
const settings = z.strictObject({ heartbeatMs: z.number().optional(), telemetryMs: z.number().optional() });
export type Settings = { heartbeatMs?: number; telemetryMs?: number };

/**
 * All that a device must not forget, small and serialisable. It is saved before each act that it describes (record, then act), so that
 * a device that loses power at any line goes on from here.
 */
export const memory = z.strictObject({
  version: z.literal(1),
  /** Heartbeats below this number may have been sent: after a start the count goes on from here, and so never goes back. */
  seqReserved: z.int().min(0),
  certificate: z.strictObject({ notBefore: z.number(), notAfter: z.number(), renewAt: z.number() }).optional(),
  /** The last generation of the platform's roots that this device was told of and believes. */
  trustGeneration: z.int().min(1).optional(),
  update: update.optional(),
  /** The newest last, at most `rememberedEnds`. */
  ended: z.array(ended),
  /** In the order in which they were heard. */
  commands: z.array(rememberedCommand).default([]),
  /** Ids up to this one may have been done and forgotten. */
  forgotten: z.string().optional(),
  settings: settings.default({}),
  desired: appliedDesired.extend({ told: z.boolean() }).optional(),
});
export type Memory = z.infer<typeof memory>;

export const rememberedEnds = 8;

export const freshMemory = (): Memory => ({ version: 1, seqReserved: 0, ended: [], commands: [], settings: {} });

/** Reads what was saved. Throws `device_memory_unreadable`: a device that guesses at its past would not know what it runs. */
export function parseMemory(text: string): Memory {
  try {
    return memory.parse(JSON.parse(text));
  } catch (cause) {
    throw deviceProblems.device_memory_unreadable(`The device's memory cannot be read: ${describeError(cause)}`, {
      cause,
      fix: "Restore the state folder from a copy, or empty it to start as a new device.",
    });
  }
}

/** Ends the running update, or notes the end of one that never ran. */
export function endDeployment(before: Memory, { deployment, report }: { deployment: string; report?: Ended["report"] }): Memory {
  const { update: running, ...rest } = before;
  const others = before.ended.filter((one) => one.deployment !== deployment);
  const end: Ended = report === undefined ? { deployment, told: true } : { deployment, report, told: false };
  const kept = running?.deployment === deployment ? rest : before;
  return { ...kept, ended: [...others, end].slice(-rememberedEnds) };
}

/** Brings the running update to a stage. */
export function toStage(before: Memory, stage: UpdateStage, now: number): Memory {
  return before.update ? { ...before, update: { ...before.update, stage, stageSince: now } } : before;
}

/** The installation begins: windows are of no account any more. */
export function toInstallation({ update, ...before }: Memory, now: number): Memory {
  if (update === undefined) return before;
  const { window: _window, ...rest } = update;
  return { ...before, update: { ...rest, stage: "installing", stageSince: now } };
}

/** Whether an update that is ready may not be installed now. */
export const awaitsWindow = ({ window }: Update, now: number): boolean =>
  window !== undefined && (window.is === "unavailable" || (window.until !== undefined && now >= window.until));
