import type { Block } from "./conditions.ts";
import { inFlight, type Picture, placesLeft } from "./picture.ts";
import { isHalted, type Rollout } from "./rollout.ts";
import { bindsAll, windowsAt } from "./windows.ts";

/**
 * Why a whole rollout makes no offer now, whoever is in its line; undefined when it would make some. The planner goes by it, and so does
 * whoever explains a device.
 */
export function standsStill(rollout: Rollout, picture: Picture, now: number): Block | undefined {
  return heldUp(rollout, picture, now) ?? ofPlaces(rollout, picture);
}

/** The same, however many places there are. */
export const heldUp = (rollout: Rollout, picture: Picture, now: number): Block | undefined =>
  ofPhase(rollout) ?? (isHalted(rollout.phase) ? undefined : ofTime(rollout, picture, now));

function ofPhase({ phase, approvalsNeeded }: Rollout): Block | undefined {
  if (phase === "awaiting_approval")
    return {
      code: "awaiting_approval",
      because: `It waits for ${approvalsNeeded === 1 ? "an approval" : `${approvalsNeeded} approvals`}.`,
    };
  return phase === "paused" ? { code: "paused", because: "It is paused." } : undefined;
}

/** What only a change of the world or the clock can lift. The way back is free of all of it. */
function ofTime(rollout: Rollout, picture: Picture, now: number): Block | undefined {
  const { releaseUnusable, unmetRollouts = [], policyWindows = [], held } = picture;
  if (releaseUnusable !== undefined) return { code: "release_unusable", because: releaseUnusable };
  // What the release does to a device could not be seen.
  if (held !== undefined && held.devices > 0)
    return { code: "dark", because: `It waits for ${held.devices} devices whose deadline was put off: ${held.because}` };
  const freeze = picture.freezes?.find(({ from, to }) => from <= now && now < to);
  if (freeze !== undefined && rollout.freezeOverride === undefined)
    return { code: "frozen", because: `The fleet is frozen: ${freeze.reason}`, until: freeze.to };
  if (unmetRollouts.length > 0)
    return { code: "prerequisite_rollout", because: `It waits until ${unmetRollouts.join(" and ")} completed.` };
  return rollout.ahead ? undefined : ofWindows(rollout, policyWindows, now);
}

/** Who downloads ahead is kept from installing by its window, and not from the offer. Where some devices are bound otherwise, windows are judged device by device. */
function ofWindows(rollout: Rollout, policyWindows: Rollout["windows"], now: number): Block | undefined {
  for (const windows of [policyWindows, rollout.windows]) {
    if (windows.length === 0 || !windows.every(bindsAll)) continue;
    const opening = windowsAt(now)(windows, {});
    if (opening.is === "closed")
      return { code: "outside_window", because: opening.because, ...(opening.until === undefined ? {} : { until: opening.until }) };
  }
  return undefined;
}

const bounds = {
  at_once_reached: "As many devices as the plan allows are on their way.",
  shared_places_reached: "Its share of the fleet's places is taken.",
  rate_reached: "As many offers as the plan allows were made in the last minute.",
} as const;

function ofPlaces(rollout: Rollout, picture: Picture): Block | undefined {
  const { places, bound, until } = placesLeft(rollout, picture);
  if (places > 0) return undefined;
  const code = bound in bounds ? (bound as keyof typeof bounds) : "at_once_reached";
  return { code, because: `${bounds[code]} (${inFlight(picture)} on their way.)`, ...(until === undefined ? {} : { until }) };
}
