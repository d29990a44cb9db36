import type { BlockCode, OfferConditions } from "@tenfold/contracts";

/** What a device said of its power and its network in its last heartbeat. */
export type Circumstances = {
  power?: { source: string; level?: number | undefined } | undefined;
  net?: { bearer: string; metered?: boolean | undefined } | undefined;
};

/** Something that stands against an offer now. `until` (ms) where it is known when that changes by itself. */
export type Block = { code: BlockCode; because: string; until?: number };

/** What a download depends on, and what an installation does. */
export const networkOnly = ({ bearers, unmetered, unknown }: OfferConditions): OfferConditions => ({
  unknown,
  ...(bearers === undefined ? {} : { bearers }),
  ...(unmetered === undefined ? {} : { unmetered }),
});
export const powerOnly = ({ batteryAtLeast, mains, unknown }: OfferConditions): OfferConditions => ({
  unknown,
  ...(batteryAtLeast === undefined ? {} : { batteryAtLeast }),
  ...(mains === undefined ? {} : { mains }),
});

/** Whether a device's circumstances allow an update now. What it does not say counts as the plan wants it. */
export function judgeConditions(conditions: OfferConditions, said: Circumstances): Block | undefined {
  return judgePower(conditions, said.power) ?? judgeNetwork(conditions, said.net);
}

function judgePower({ batteryAtLeast, mains, unknown }: OfferConditions, power: Circumstances["power"]): Block | undefined {
  if (batteryAtLeast === undefined && mains === undefined) return undefined;
  const silent: Block | undefined =
    unknown === "go" ? undefined : { code: "power_unknown", because: "It has not said what powers it." };
  if (power === undefined || power.source === "unknown") return silent;
  if (power.source === "mains") return undefined;
  if (mains) return { code: "not_on_mains", because: `It runs on ${power.source}, and the plan wants mains.` };
  if (batteryAtLeast === undefined) return undefined;
  if (power.level === undefined) return silent;
  if (power.level >= batteryAtLeast) return undefined;
  return {
    code: "battery_low",
    because: `Its battery is at ${percent(power.level)}, and the plan wants ${percent(batteryAtLeast)}.`,
  };
}

function judgeNetwork({ bearers, unmetered, unknown }: OfferConditions, net: Circumstances["net"]): Block | undefined {
  if (bearers === undefined && unmetered === undefined) return undefined;
  if (net === undefined)
    return unknown === "go" ? undefined : { code: "network_unknown", because: "It has not said how it is connected." };
  if (bearers !== undefined && !bearers.includes(net.bearer))
    return {
      code: "network_not_allowed",
      because: `It is connected by ${net.bearer}, and the plan wants ${bearers.join(" or ")}.`,
    };
  const metered = net.metered ?? net.bearer === "cellular";
  if (unmetered && metered)
    return {
      code: "network_metered",
      because: `Its connection (${net.bearer}) is paid by volume, and the plan wants one that is not.`,
    };
  return undefined;
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;
