import type { Kpi } from "@tenfold/contracts";
import type { UptimeFacts } from "./store.ts";

/** The number for the headline, and those beside it. */
export function judgeUptime({
  devices,
  expectedS,
  reachableS,
  p5,
  underTarget,
  impairedS,
  excluded,
}: Omit<UptimeFacts, "trend">): Pick<Kpi, "value" | "n" | "of" | "beside"> {
  return {
    value: ratio(reachableS, expectedS),
    n: devices,
    of: `${devices === 1 ? "device" : "devices"}, expected for ${(expectedS / 3_600).toFixed(expectedS < 36_000 ? 2 : 0)} hours in all`,
    beside: [
      { label: "Reachable device-hours", value: reachableS / 3_600, unit: "h" },
      { label: "Expected device-hours", value: expectedS / 3_600, unit: "h" },
      { label: "p5 device", value: p5, unit: "ratio" },
      { label: "Devices under target", value: underTarget, unit: "count" },
      { label: "Platform not at work", value: impairedS / 3_600, unit: "h" },
      { label: "Devices left out (kpi=exclude)", value: excluded, unit: "count" },
    ],
  };
}

export const ratio = (part: number, whole: number): number | null => (whole > 0 ? part / whole : null);
