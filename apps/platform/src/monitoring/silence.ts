import { cohortThreshold, groupThreshold, humanDuration, usualSilentShare } from "@tenfold/base";
import type { Silence, SilentDevice, Trait } from "../registry/index.ts";
import type { Condition, Rule } from "./rule.ts";

/** A condition for each silent device. */
export function deviceConditions(rule: Rule, silence: Silence): Condition[] {
  const others = `When this began, ${count(silence.silent - 1, "other device was", "other devices were")} silent of ${silence.watched} that are watched.`;
  return silence.devices.map((device) => ({
    rule,
    subject: { kind: "device", id: device.id },
    since: device.since,
    title: `${device.id} is silent`,
    why: silenceOf(device),
    comparedWith: others,
    next: `Look at what it last said (tenfold device show ${device.id}), then at its power and network. If it is off on purpose: tenfold device suspend ${device.id}.`,
    devices: [device.id],
  }));
}

function silenceOf({ lastContactAt, leaseMs, version }: SilentDevice): string {
  const firmware = version === undefined ? "" : ` It ran firmware ${version}.`;
  return `Last heard at ${iso(lastContactAt)} with a lease of ${humanDuration(leaseMs)}; the lease and its grace have passed.${firmware}`;
}

/** The condition that many devices of a group are silent at once; undefined while they are too few. */
export function groupCondition(rule: Rule, silence: Silence, traits: readonly Trait[]): Condition | undefined {
  const threshold = thresholdOf(rule, silence);
  if (silence.silent < threshold) return undefined;
  const filter = rule.filter ?? "";
  const where = filter === "" ? "" : ` in ${filter}`;
  // The moment at which so many were silent that it counts; those who came back since can only have made it earlier.
  const since = silence.devices[threshold - 1]?.since ?? silence.devices.at(-1)?.since ?? 0;
  return {
    rule,
    subject: { kind: "group", id: filter === "" ? "all devices" : filter },
    since,
    title: `${silence.silent} of ${silence.watched} devices are silent${where}`,
    why: reasonFor(silence, traits),
    comparedWith: `It counts from ${threshold} devices on: ${percent(rule.share ?? 0)} of the group, and more than chance explains (${cohortThreshold(silence.watched)} or more, where ${percent(usualSilentShare)} are silent on any day).`,
    next: `Find what they share before looking at single devices: the site's power and network, a gateway, the newest release. tenfold device list --filter 'status:offline lifecycle:active${filter === "" ? "" : ` (${filter})`}'`,
    devices: silence.devices.map(({ id }) => id),
  };
}

export const thresholdOf = (rule: Rule, silence: Silence): number => groupThreshold(silence.watched, rule.share ?? 0);

function reasonFor({ silent, watched, newestContactAt }: Silence, traits: readonly Trait[]): string {
  if (silent === watched && newestContactAt !== undefined) {
    return `Not one of the ${watched} has been heard since ${iso(newestContactAt)}. That points at this side (network, name, port 8883, server certificate) rather than at so many devices.`;
  }
  if (traits.length === 0) return "They share no tag, model or firmware that the others do not have.";
  const shared = traits.map(({ trait, silent: quiet, of }) => `${trait} (${quiet} of the ${of} that have it)`);
  return `What they share and most others do not: ${shared.join(", ")}.`;
}

const iso = (at: number) => new Date(at).toISOString();
const percent = (share: number) => `${Math.round(share * 1_000) / 10} %`;
const count = (n: number, one: string, many: string) => `${Math.max(0, n)} ${n === 1 ? one : many}`;
