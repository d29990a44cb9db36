import type { Rollout, RolloutDecision, StageProgress } from "@tenfold/contracts";
import { count, counted, percent, words } from "../format.ts";
import type { Part } from "../parts/StackBar.tsx";

/** What the stage ladder says about a rollout, as plain values. */

/** States of a device that has the offer and has not come to an end. */
export const updating = ["offered", "downloading", "downloaded", "verified", "installing", "rebooting", "validating"];

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
    { word: "Skipped", n: of("skipped"), tone: "idle" },
    { word: "Not offered", n: of("cancelled"), tone: "idle", pattern: "faint" },
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

/** A gate's reading: a value against the mark at which it closes. */
export type Gate = { name: string; value: number; mark: number; closed: boolean; words: string };

/** The plan's own gate: which share of a stage was harmed. Devices that never got the offer do not count. */
export function shareGate(stage: Pick<StageProgress, "counts" | "devices" | "state">, haltAbove: number): Gate {
  const counts: Readonly<Record<string, number>> = stage.counts;
  const of = (...states: string[]) => states.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  const harmed = of("failed", "unresponsive", "rolled_back");
  const devices = stage.devices - of("skipped", "cancelled");
  const value = devices <= 0 ? 0 : harmed / devices;
  return {
    name: "Harmed share",
    value,
    mark: haltAbove,
    closed: value > haltAbove,
    words: `${count(harmed)} of ${count(devices)} harmed (${percent(value, 1)}), halts above ${percent(haltAbove, 1)}`,
  };
}

/** The sequential gate, as the decision that halted saw it: how surely the release is worse than a healthy one. */
export function evidenceGate(evidence: RolloutDecision["evidence"]): Gate | undefined {
  const [value, mark] = [evidence?.logE, evidence?.haltAtLogE];
  if (typeof value !== "number" || typeof mark !== "number" || mark <= 0) return undefined;
  return {
    name: "Evidence",
    value: Math.max(0, value),
    mark,
    closed: value >= mark,
    words:
      value < 0
        ? "nothing speaks against the release"
        : `a bad release explains this ${timesAs(value)} well as a healthy one, halts at ${timesAs(mark)}`,
  };
}

/** `as`, `2.5 times as`, `18,738 times as`: how many times as well, of its logarithm. Past e^20 more digits say nothing. */
function timesAs(log: number): string {
  const times = Math.exp(Math.min(log, 20));
  if (times < 1.05) return "as";
  return `${times < 10 ? Number(times.toFixed(1)) : count(times)} times as`;
}

/** The decision that halted a stage, if it is known. */
export const haltOf = (decisions: readonly RolloutDecision[], stage: number): RolloutDecision | undefined =>
  decisions.find((each) => each.stage === stage && ["halted", "halt"].includes(each.decision));

/** A stage that waited when its rollout ended, and so will never begin. */
export const neverReached = ({ state }: Pick<StageProgress, "state">, phase: Rollout["phase"]): boolean =>
  state === "waiting" && ["completed", "cancelled", "halted", "rolling_back", "rolled_back"].includes(phase);

/** The first stage is the canary; one that reaches all is the whole fleet. */
export function stageName(stage: Pick<StageProgress, "index" | "share">): string {
  if (stage.index === 0) return "Canary";
  return stage.share >= 1 ? "Everyone" : `Stage ${stage.index + 1}`;
}

/** `5 % · 10 devices`, and for later stages what they add: `up to 25 % · 40 more`. */
export function stageReach(stage: Pick<StageProgress, "index" | "share" | "devices">): string {
  return stage.index === 0
    ? `${percent(stage.share)} · ${counted(stage.devices, "device")}`
    : `up to ${percent(stage.share)} · ${count(stage.devices)} more`;
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
