import { days, hours, humanDuration, minutes } from "@tenfold/base";
import type { FreezePeriod } from "./picture.ts";
import type { Rollout } from "./rollout.ts";
import { bindsAll, windowsAt } from "./windows.ts";

export type EstimateOf = {
  rollout: Pick<Rollout, "atOnce" | "perMinute" | "deadlineMs" | "soakMs" | "windows" | "ahead">;
  jitterMs: number;
  stages: readonly { devices: number }[];
  /** From the offer to the verified boot, the middle of recent updates; undefined where there were none. */
  usualMs: number | undefined;
  policyWindows: Rollout["windows"];
  freezes: readonly FreezePeriod[];
};

export type Estimate = { stages: { takesMs: number; worstCaseExposed: number }[]; endsAt: number; assumptions: string[] };

const withoutHistory = minutes(10);
const step = minutes(15);
const farthest = days(90);

/** How long a rollout would take from `now`, and how many devices can have met the release when a stage's first failure is found. */
export function estimateRollout(of: EstimateOf, now: number): Estimate {
  const perDevice = of.usualMs ?? withoutHistory;
  let at = now;
  let exposed = 0;
  const stages = of.stages.map(({ devices }) => {
    const begins = at;
    const ends = afterOpenTime(of, { at, work: devices === 0 ? 0 : workOf(of, devices, perDevice) });
    at = ends + (devices === 0 ? 0 : of.rollout.soakMs);
    const worst = exposed + exposedAtOnce(of, devices);
    exposed += devices;
    return { takesMs: at - begins, worstCaseExposed: worst };
  });
  return { stages, endsAt: at, assumptions: assumptionsOf(of, perDevice) };
}

/** Rounds of as many devices as may update at once, or the pace of the offers, whichever is slower. */
function workOf({ rollout: { atOnce, perMinute }, jitterMs }: EstimateOf, devices: number, perDevice: number): number {
  const rounds = Math.ceil(devices / atOnce) * perDevice;
  const pace = perMinute === undefined ? 0 : (Math.ceil(devices / perMinute) - 1) * minutes(1) + perDevice;
  return Math.max(rounds, pace, jitterMs + perDevice);
}

/** Nobody knows of a device that fell silent before its deadline: until then, as many as the plan lets go may have met the release. */
function exposedAtOnce({ rollout: { atOnce, perMinute, deadlineMs } }: EstimateOf, devices: number): number {
  const paced = perMinute === undefined ? devices : Math.ceil(deadlineMs / minutes(1)) * perMinute;
  return Math.min(devices, atOnce, paced);
}

/** When so much work is done, of which nothing is done while a window that binds all is closed or the fleet is frozen. */
function afterOpenTime(of: EstimateOf, { at: start, work }: { at: number; work: number }): number {
  const lists = [of.policyWindows, of.rollout.windows].filter((windows) => windows.length > 0 && windows.every(bindsAll));
  const frozen = (at: number) => of.freezes.some(({ from, to }) => from <= at && at < to);
  const open = (at: number) => !frozen(at) && lists.every((windows) => windowsAt(at)(windows, {}).is === "open");
  if (lists.length === 0 && of.freezes.length === 0) return start + work;
  let at = start;
  let left = work;
  while (left > 0 && at < start + farthest) {
    if (open(at)) left -= Math.min(left, step);
    at += step;
  }
  return at;
}

function assumptionsOf(of: EstimateOf, perDevice: number): string[] {
  const { policyWindows, rollout, usualMs, freezes } = of;
  const windows = [...policyWindows, ...rollout.windows];
  return [
    usualMs === undefined
      ? `A device needs ${humanDuration(perDevice)} from the offer to its verified boot; nothing is known yet of this fleet.`
      : `A device needs ${humanDuration(perDevice)} from the offer to its verified boot, the middle of the last 30 days.`,
    "Every device is reachable, takes the offer at once, and boots the release.",
    ...(windows.length > 0 && !windows.every(bindsAll)
      ? ["Windows that are not the same for every device are taken as open; with them it takes longer."]
      : []),
    ...(rollout.ahead
      ? ["Devices download ahead of their window, so that less time is needed inside it than is reckoned here."]
      : []),
    ...(freezes.length > 0 ? ["Freezes of the calendar are counted as standstill."] : []),
    ...(perDevice > hours(24) ? ["Sleeping devices are what makes it long: their usual time is over a day."] : []),
  ];
}
