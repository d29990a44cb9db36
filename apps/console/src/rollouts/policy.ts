import { moneyWord, readMoney } from "@tenfold/base";
import type { RolloutPolicy } from "@tenfold/contracts";
import { readWindows, writeWindow } from "./window-line.ts";

/** The fields of the fleet's policy, as typed. */
export type PolicyDraft = { atOnce: string; approvals: string; windows: string; pricePerGb: string };
export type PolicyReading = { is: "policy"; policy: RolloutPolicy } | { is: "unreadable"; faults: Partial<PolicyDraft> };

export const policyDraftOf = ({ atOnce, approvals, windows, pricePerGb }: RolloutPolicy): PolicyDraft => ({
  atOnce: atOnce === undefined ? "" : String(atOnce),
  approvals: String(approvals),
  windows: windows.map(writeWindow).join("\n"),
  pricePerGb: pricePerGb === undefined ? "" : moneyWord(pricePerGb),
});

export function readPolicy({ atOnce, approvals, windows, pricePerGb }: PolicyDraft): PolicyReading {
  const read = readWindows(windows);
  const price = readMoney(pricePerGb);
  const faults: Partial<PolicyDraft> = {
    ...(atOnce === "" || /^[1-9]\d{0,6}$/.test(atOnce) ? {} : { atOnce: "A whole number from 1, or nothing." }),
    ...(/^[0-5]$/.test(approvals) ? {} : { approvals: "A whole number from 0 to 5." }),
    ...(read.is === "unreadable" ? { windows: read.because } : {}),
    ...(pricePerGb.trim() === "" || price ? {} : { pricePerGb: "An amount such as 4.50 EUR, or nothing." }),
  };
  if (read.is === "unreadable" || Object.keys(faults).length > 0) return { is: "unreadable", faults };
  const bound = { ...(atOnce === "" ? {} : { atOnce: Number(atOnce) }), ...(price ? { pricePerGb: price } : {}) };
  return { is: "policy", policy: { ...bound, approvals: Number(approvals), windows: read.windows } };
}

/** Whether two drafts ask for the same. */
export const samePolicy = (one: PolicyDraft, other: PolicyDraft): boolean =>
  one.atOnce === other.atOnce &&
  one.approvals === other.approvals &&
  one.windows.trim() === other.windows.trim() &&
  one.pricePerGb.trim() === other.pricePerGb.trim();
