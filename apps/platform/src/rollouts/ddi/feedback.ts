import type { DeploymentReport } from "@tenfold/contracts";
import { z } from "zod";

/** What a device says about an action (hawkBit DDI, docs/protocol/ddi.md clause 5). */
export type Feedback = {
  execution: (typeof executions)[number];
  finished: (typeof finisheds)[number];
  /** 0 to 1, when it told one. */
  progress?: number;
  details: string[];
};

const executions = ["closed", "proceeding", "canceled", "scheduled", "rejected", "resumed", "downloaded", "download"] as const;
const finisheds = ["success", "failure", "none"] as const;

/** [DDI 5.5] Longer is cut, more is dropped: an update must not fail on its log. */
const mostDetails = 50;
const longestDetail = 512;

const shape = z.object({
  status: z.object({
    execution: z.enum(executions),
    result: z.object({ finished: z.enum(finisheds), progress: z.unknown().optional() }).optional(),
    details: z.unknown().optional(),
  }),
});
const counted = z.object({ cnt: z.number(), of: z.number() });

/** Reads a feedback, however sloppy [DDI 5.2]: unknown fields, ids and times of any form. Undefined when it says nothing. */
export function readFeedback(body: string): Feedback | undefined {
  const parsed = shape.safeParse(parseSloppy(body));
  if (!parsed.success) return undefined;
  const { execution, result, details } = parsed.data.status;
  const progress = progressOf(result?.progress);
  return {
    execution,
    finished: result?.finished ?? "none",
    details: textsOf(details),
    ...(progress === undefined ? {} : { progress }),
  };
}

/** [DDI 5.3] SWUpdate puts its log into `details` without escaping quotes. What cannot be read there must not lose the outcome. */
function parseSloppy(body: string): unknown {
  return parse(body) ?? parse(body.replace(/"details"\s*:\s*\[[\s\S]*\](?=\s*\}\s*\}\s*$)/, () => `"details": ${salvaged(body)}`));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function salvaged(body: string): string {
  const inside = /"details"\s*:\s*\[([\s\S]*)\]\s*\}\s*\}\s*$/.exec(body)?.[1] ?? "";
  return JSON.stringify([inside.trim().replace(/^"|"$/g, "")]);
}

function textsOf(details: unknown): string[] {
  const all: unknown[] = Array.isArray(details) ? details : [details];
  return all
    .filter((one) => typeof one === "string" && one.trim() !== "")
    .slice(0, mostDetails)
    .map((one) => storable(String(one)).slice(0, longestDetail).toWellFormed());
}

function progressOf(told: unknown): number | undefined {
  const parsed = counted.safeParse(told);
  if (!parsed.success || !(parsed.data.of > 0)) return undefined;
  return Math.min(1, Math.max(0, parsed.data.cnt / parsed.data.of));
}

/** PostgreSQL can hold neither NUL nor half a surrogate pair. */
export const storable = (text: string): string => text.toWellFormed().replaceAll("\0", "\u{fffd}");

/** How an action goes on after a feedback: what the rollout hears, and with what the device closed it, if it did. */
export type Answer = { report?: DeploymentReport; closes?: "installed" | "failed" | "cancelled"; refusesCancel?: true };

export type Known = {
  /** What the deployment should run. */
  version: string;
  /** The rollout has halted. */
  halted: boolean;
  /** The version that the client told since it began anew after it had fetched the bytes; undefined while it has not. */
  toldAfterInstall?: string;
};

/** What a feedback on `deploymentBase` means. Success of an installer is no success: it closes the action and begins the wait for a boot. */
export function answerToDeployment({ execution, finished, progress, details }: Feedback, known: Known): Answer {
  const said = { ...(details.length === 0 ? {} : { log: details, detail: details.at(-1) ?? "" }) };
  switch (execution) {
    case "closed":
      if (finished === "failure") return { closes: "failed", report: { state: "failed", ...said } };
      // [DDI 5.6] SWUpdate closes with success what it was told to leave alone.
      if (details.some((detail) => detail.includes("Skipped Update."))) return {};
      return { closes: "installed", report: installed(known, said) };
    case "canceled":
      return {
        closes: "cancelled",
        report: { state: "cancelled", reason: known.halted ? "rollout_halted" : "operator_cancelled", ...said },
      };
    case "downloaded":
      return { report: { state: "downloaded", ...said } };
    case "proceeding":
      // [DDI 5.1] What rauc-hawkbit-updater says when the file lies there and was checked, and before it installs.
      if (details.includes("File checksum OK.")) return { report: { state: "downloaded", ...said } };
      return { report: { state: "downloading", ...said, ...(progress === undefined ? {} : { progress }) } };
    case "rejected":
    case "scheduled":
    case "resumed":
    case "download":
      return { report: { state: "downloading", ...said, ...(progress === undefined ? {} : { progress }) } };
  }
}

function installed({ version, toldAfterInstall }: Known, said: Pick<DeploymentReport, "log" | "detail">): DeploymentReport {
  if (toldAfterInstall === undefined || toldAfterInstall === version) return { state: "rebooting", ...said };
  return {
    state: "rolled_back",
    reason: "boot_fell_back",
    ...said,
    detail: `Its installer reports success, but it came back with ${toldAfterInstall}.`,
  };
}

/** What a feedback on `cancelAction` means [DDI 6]. Every one of them leads to an end: cancelled, or on with the update until its deadline. */
export function answerToCancel({ execution, finished, details }: Feedback): Answer {
  const done = (execution === "closed" && finished !== "failure") || execution === "canceled";
  if (done)
    return {
      closes: "cancelled",
      report: { state: "cancelled", reason: "rollout_halted", ...(details.length === 0 ? {} : { log: details }) },
    };
  return execution === "rejected" || execution === "closed" ? { refusesCancel: true } : {};
}
