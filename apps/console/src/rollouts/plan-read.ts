import { formatDuration, parseDuration } from "@tenfold/base";
import { type RolloutPlan, rolloutPlan, updateSteps } from "@tenfold/contracts";
import type { PlanDraft } from "./plan.ts";
import { readWindows } from "./window-line.ts";

export type Faults = Partial<Record<keyof PlanDraft, string>>;
export type PlanReading = { is: "plan"; plan: RolloutPlan } | { is: "incomplete"; faults: Faults };

/** Reads the form, or says at each field what is missing. What the fields say one by one, the contract judges as a whole. */
export function readPlan(draft: PlanDraft): PlanReading {
  const faults: Faults = {};
  const need = <T>(field: keyof PlanDraft, value: T | undefined, fault: string): T | undefined => {
    if (value === undefined) faults[field] = fault;
    return value;
  };
  const candidate = planOf(draft, need);
  if (draft.release === "") faults.release = "Choose a release.";
  const stageFault = faultOfStages(sharesOf(draft.stages));
  if (stageFault) faults.stages = stageFault;
  if (Object.keys(faults).length > 0) return { is: "incomplete", faults };
  const reading = rolloutPlan.safeParse(candidate);
  if (reading.success) return { is: "plan", plan: reading.data };
  return {
    is: "incomplete",
    faults: Object.fromEntries(reading.error.issues.map((issue) => [fieldOf(issue.path), issue.message])),
  };
}

type Need = <T>(field: keyof PlanDraft, value: T | undefined, fault: string) => T | undefined;

function planOf(draft: PlanDraft, need: Need): Record<string, unknown> {
  const length = (field: keyof PlanDraft, text: string) => need(field, lengthOf(text), "A length of time such as 1h or 30m.");
  const whole = (field: keyof PlanDraft, text: string) => need(field, wholeOf(text), "A whole number.");
  const share = (field: keyof PlanDraft, text: string) => need(field, parseShare(text), "A share such as 5 %.");
  const windows = readWindows(draft.windows);
  return {
    ...{ release: draft.release, filter: draft.filter.trim(), onHalt: draft.onHalt, lateJoiners: draft.lateJoiners },
    stages: sharesOf(draft.stages).map((each) => ({ share: each })),
    strata: listOf(draft.strata),
    perStratum: whole("perStratum", draft.perStratum),
    haltAbove: share("haltAbove", draft.haltAbove),
    soak: length("soak", draft.soak),
    deadline: length("deadline", draft.deadline),
    ...given(draft.stepTimeouts, (text) => ({
      stepTimeouts: need(
        "stepTimeouts",
        stepTimeoutsOf(text),
        "A length for some of the steps, such as download 30m, install 10m, boot 10m.",
      ),
    })),
    atOnce: whole("atOnce", draft.atOnce),
    ...given(draft.perMinute, (text) => ({ perMinute: whole("perMinute", text) })),
    jitter: length("jitter", draft.jitter),
    weight: whole("weight", draft.weight),
    windows: windows.is === "windows" ? windows.windows : need("windows", undefined, windows.because),
    ...(draft.downloadAhead ? { download: "ahead" } : {}),
    conditions: {
      ...given(draft.batteryAtLeast, (text) => ({ batteryAtLeast: share("batteryAtLeast", text) })),
      ...(draft.mains ? { mains: true } : {}),
      ...given(draft.bearers, (text) => ({ bearers: listOf(text) })),
      ...(draft.unmetered ? { unmetered: true } : {}),
      unknown: draft.unknown,
    },
    requires: { device: draft.requiresDevice.trim(), rollouts: listOf(draft.requiresRollouts) },
    approvals: whole("approvals", draft.approvals),
    giveUpAfter: length("giveUpAfter", draft.giveUpAfter),
    retries: {
      on: listOf(draft.retryOn),
      most: whole("retryMost", draft.retryMost),
      backoff: length("retryBackoff", draft.retryBackoff),
    },
    guards: {
      watch: listOf(draft.guards),
      ...given(draft.guardWindow, (text) => ({ window: length("guardWindow", text) })),
      settle: length("guardSettle", draft.guardSettle),
      falseHalts: share("guardFalseHalts", draft.guardFalseHalts),
      least: whole("guardLeast", draft.guardLeast),
      matchBy: listOf(draft.guardMatchBy),
    },
  };
}

const given = <T>(text: string, read: (text: string) => T): T | Record<string, never> => (text.trim() === "" ? {} : read(text));

const listOf = (text: string): string[] => text.split(/[,\s]+/).filter((word) => word !== "");

function lengthOf(text: string): string | undefined {
  const length = parseDuration(text.trim());
  return length === undefined ? undefined : formatDuration(length);
}

/** Reads `download 30m, boot 10m`. */
function stepTimeoutsOf(text: string): Record<string, string> | undefined {
  const read = text.split(",").map((one) => {
    const [name, word = "", ...more] = one.trim().split(/[\s=]+/);
    const [step, length] = [updateSteps.find((each) => each === name), lengthOf(word)];
    return step === undefined || length === undefined || more.length > 0 ? undefined : ([step, length] as const);
  });
  const known = read.filter((one) => one !== undefined);
  return known.length === read.length ? Object.fromEntries(known) : undefined;
}

const wholeOf = (text: string): number | undefined => (/^\d{1,9}$/.test(text.trim()) ? Number(text.trim()) : undefined);

const sharesOf = (text: string): (number | undefined)[] =>
  text
    .split(/[,;→\s]+/)
    .filter((word) => word !== "" && word !== "%")
    .map(parseShare);

function faultOfStages(stages: readonly (number | undefined)[]): string | undefined {
  if (stages.length === 0) return "At least one share, such as 5%, 25%, 100%.";
  if (stages.some((share) => share === undefined || share === 0)) return "Shares of all targets, above 0 and up to 100 %.";
  const rising = stages.every((share, place) => place === 0 || (share ?? 0) > (stages[place - 1] ?? 0));
  return rising ? undefined : "Shares are cumulative: each must be larger than the one before.";
}

/** Reads `5 %`, `5%` or `5` as 0.05. */
export function parseShare(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*%?$/.exec(text.trim());
  const value = match ? Number(match[1]) / 100 : Number.NaN;
  return value >= 0 && value <= 1 ? Number(value.toFixed(6)) : undefined;
}

/** The field of the form at which a path of the plan is shown. */
function fieldOf([first, second]: readonly PropertyKey[]): keyof PlanDraft {
  const inside: Record<string, Record<string, keyof PlanDraft>> = {
    conditions: { batteryAtLeast: "batteryAtLeast", bearers: "bearers" },
    requires: { device: "requiresDevice", rollouts: "requiresRollouts" },
    retries: { on: "retryOn", most: "retryMost", backoff: "retryBackoff" },
    guards: {
      ...{ watch: "guards", window: "guardWindow", settle: "guardSettle", falseHalts: "guardFalseHalts" },
      ...{ least: "guardLeast", matchBy: "guardMatchBy" },
    },
  };
  const field = inside[String(first)]?.[String(second)] ?? first;
  // What is no group of the plan is a field of the form under the same name.
  return field as keyof PlanDraft;
}
