import type { Rollout, StageProgress } from "@tenfold/contracts";
import { counted, percent, words } from "../format.ts";
import type { Part } from "../parts/StackBar.tsx";

/** What the stage ladder says about a rollout, as plain values. */

const updating = ["offered", "downloading", "downloaded", "verified", "installing", "rebooting", "validating"];

/** A stage's devices in the few groups that a person tells apart. `queued` are those that no state was told of. */
export function partsOf(counts: Readonly<Record<string, number>>, devices: number): Part[] {
  const of = (...states: string[]) => states.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  const known = Object.entries(counts).reduce((sum, [state, n]) => (state === "queued" ? sum : sum + n), 0);
  return [
    { word: "Verified boot", n: of("succeeded"), tone: "ok" },
    { word: "Updating", n: of(...updating), tone: "accent", pattern: "hatched" },
    { word: "Rolled back", n: of("rolled_back"), tone: "warn" },
    { word: "Failed", n: of("failed"), tone: "bad" },
    { word: "Silent", n: of("unresponsive"), tone: "bad", pattern: "hatched" },
    { word: "Skipped", n: of("skipped", "cancelled"), tone: "idle", pattern: "faint" },
    { word: "Waiting", n: Math.max(0, devices - known), tone: "idle", pattern: "faint" },
  ];
}

/** Where one stands in the middle of an update: `3 downloading, 2 rebooting`. */
export function updatingNow(counts: Readonly<Record<string, number>>): string {
  return updating
    .filter((state) => (counts[state] ?? 0) > 0)
    .map((state) => `${counts[state]} ${words(state)}`)
    .join(", ");
}

/** The gate's reading: which share of a stage was harmed, against the share that halts. Shares of 1. */
export type Gate = { harmed: number; share: number; haltAbove: number; closed: boolean };

export function gateOf(stage: Pick<StageProgress, "counts" | "devices" | "state">, haltAbove: number): Gate {
  const counts: Readonly<Record<string, number>> = stage.counts;
  const harmed = (counts.failed ?? 0) + (counts.unresponsive ?? 0) + (counts.rolled_back ?? 0);
  const share = stage.devices === 0 ? 0 : harmed / stage.devices;
  return { harmed, share, haltAbove, closed: stage.state === "halted" || share > haltAbove };
}

/** The first stage is the canary; one that reaches all is the whole fleet. */
export function stageName(stage: Pick<StageProgress, "index" | "share">): string {
  if (stage.index === 0) return "Canary";
  return stage.share >= 1 ? "Everyone" : `Stage ${stage.index + 1}`;
}

/** The ladder as a sentence, for those who do not see it. */
export function ladderInWords(rollout: Pick<Rollout, "stages">): string {
  return rollout.stages
    .map((stage) => `${stageName(stage)} (${percent(stage.share)}, ${counted(stage.devices, "device")}): ${stage.state}`)
    .join("; ");
}

/** Devices that a rollout has touched so far: those of stages that began. */
export const reached = (rollout: Pick<Rollout, "stages">): number =>
  rollout.stages.reduce((sum, stage) => (stage.state === "waiting" ? sum : sum + stage.devices), 0);
