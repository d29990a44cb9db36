import { seconds } from "@tenfold/base";
import { type Condition, keyOf, type OpenAlert } from "./rule.ts";

/** What to do about alerts. `into` is the key (`keyOf`) of the group's alert. */
export type Verdict =
  | { do: "fire"; condition: Condition }
  | { do: "refresh"; alert: OpenAlert; condition: Condition }
  | { do: "doubt"; alert: OpenAlert }
  | { do: "resolve"; alert: OpenAlert }
  | { do: "absorb"; alert: OpenAlert; into: string };

/** How long a condition must be gone before its alert is resolved, so that a flapping device is one alert. */
export const settle = seconds(10);

/**
 * Compares what is wrong now with the alerts that are firing. Pure and level-triggered: the same picture gives the same verdicts, and
 * a pass that was missed is made up for by the next. Groups go before their devices: while many are silent at once (also while that
 * must still hold for a while) no alert is fired for one of them, and those that fire already are taken into the group's.
 */
export function judge({
  conditions,
  open,
  now,
}: {
  conditions: readonly Condition[];
  open: readonly OpenAlert[];
  now: number;
}): Verdict[] {
  const wrong = new Map(conditions.map((condition) => [keyOfCondition(condition), condition]));
  const firing = new Map(open.map((alert) => [keyOf(alert), alert]));
  const groups = conditions.filter((condition) => condition.rule.kind === "group_silent");
  const holding = membersOf(groups);
  const fired = membersOf(groups.filter((group) => firing.has(keyOfCondition(group)) || hasHeld(group, now)));

  const ofOpen = open.map((alert): Verdict | undefined => {
    const condition = wrong.get(keyOf(alert));
    const into = condition?.rule.kind === "device_silent" ? fired.get(alert.subject.id) : undefined;
    if (into !== undefined) return { do: "absorb", alert, into };
    return condition === undefined ? fading(alert, now) : refreshed(alert, condition);
  });
  const ofNew = conditions.map((condition): Verdict | undefined => {
    if (firing.has(keyOfCondition(condition)) || !hasHeld(condition, now)) return undefined;
    if (condition.rule.kind === "device_silent" && holding.has(condition.subject.id)) return undefined;
    return { do: "fire", condition };
  });
  // Groups fire first: what they absorb points at them.
  const rank = (verdict: Verdict) => (verdict.do === "fire" && verdict.condition.rule.kind === "group_silent" ? 0 : 1);
  return [...ofOpen, ...ofNew].filter((verdict) => verdict !== undefined).toSorted((a, b) => rank(a) - rank(b));
}

const hasHeld = ({ rule, since }: Condition, now: number): boolean => now - since >= rule.holdMs;

const keyOfCondition = ({ rule, subject }: Condition): string => keyOf({ rule: rule.id, subject });

function membersOf(groups: readonly Condition[]): Map<string, string> {
  return new Map(groups.flatMap((group) => group.devices.map((device) => [device, keyOfCondition(group)] as const)));
}

function fading(alert: OpenAlert, now: number): Verdict | undefined {
  if (alert.clearSince === undefined) return { do: "doubt", alert };
  return now - alert.clearSince >= settle ? { do: "resolve", alert } : undefined;
}

function refreshed(alert: OpenAlert, condition: Condition): Verdict | undefined {
  const same = alert.title === condition.title && alert.why === condition.why && alert.devices.length === condition.devices.length;
  return same && alert.clearSince === undefined ? undefined : { do: "refresh", alert, condition };
}
