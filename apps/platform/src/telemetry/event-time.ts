import { days, minutes } from "@tenfold/base";

/** A device's clock is believed when what it says is not older than this, and not further ahead of ours than that. */
const oldest = days(365);
const furthestAhead = minutes(5);

export type TimeSource = "device" | "received";

/** When something happened: the device's time where it is plausible, else the time we received it, and marked so. */
export function eventTime(deviceTime: number | undefined, receivedAt: number): { at: number; timeSource: TimeSource } {
  if (deviceTime === undefined) return { at: receivedAt, timeSource: "received" };
  const plausible = deviceTime >= receivedAt - oldest && deviceTime <= receivedAt + furthestAhead;
  return plausible ? { at: Math.round(deviceTime), timeSource: "device" } : { at: receivedAt, timeSource: "received" };
}
