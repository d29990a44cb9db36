import { storable } from "./contacts.ts";

/** An input of a device that was not accepted; `reason` is a code or a short sentence. */
export type Refusal = { device: string; at: number; reason: string };

/** One row for each device of a batch: how many, and the newest reason. Pure. */
export function tallyRefusals(refusals: readonly Refusal[]): { device: string; count: number; at: number; reason: string }[] {
  const byDevice = Map.groupBy(refusals, (refusal) => refusal.device);
  return [...byDevice].map(([device, ofOne]) => {
    const newest = ofOne.reduce((a, b) => (b.at >= a.at ? b : a));
    return { device, count: ofOne.length, at: newest.at, reason: storable(newest.reason).slice(0, 500) };
  });
}
