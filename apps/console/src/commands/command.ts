import type { CommandState, DeviceCommand, DeviceState } from "@tenfold/contracts";
import type { Look } from "../parts/tones.ts";

export const commandLook: Record<CommandState, Look> = {
  queued: { word: "Queued", icon: "waiting", tone: "idle" },
  sent: { word: "Sent", icon: "running", tone: "accent" },
  delivered: { word: "Delivered", icon: "running", tone: "accent" },
  succeeded: { word: "Succeeded", icon: "online", tone: "ok" },
  failed: { word: "Failed", icon: "offline", tone: "bad" },
  refused: { word: "Refused", icon: "cross", tone: "warn" },
  expired: { word: "Expired", icon: "late", tone: "bad" },
  cancelled: { word: "Cancelled", icon: "cross", tone: "idle" },
};

export const convergenceLook: Record<DeviceState["convergence"]["is"], Look> = {
  nothing_desired: { word: "Nothing desired", icon: "waiting", tone: "idle" },
  waiting: { word: "Not followed yet", icon: "late", tone: "warn" },
  partly: { word: "Followed in part", icon: "warning", tone: "warn" },
  converged: { word: "Followed", icon: "online", tone: "ok" },
};

/** What the agent and the simulator know; other firmware may know more. */
export const knownCommands = ["identify", "report-now", "reboot", "set-interval"];

type JsonObject = DeviceCommand["args"];

/** Reads what a person typed as a JSON object; nothing is the empty one. Undefined when it is none. */
export function readObject(text: string): JsonObject | undefined {
  if (text.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    // JSON.parse makes nothing but JSON.
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}
