import type { Lifecycle } from "@tenfold/contracts";
import { registryProblems } from "./errors.ts";

/** What may follow what. Retiring is final: the identity is revoked for ever. */
const next: Readonly<Record<Lifecycle, readonly Lifecycle[]>> = {
  expected: ["pending", "active", "retired"],
  pending: ["active", "retired"],
  active: ["suspended", "quarantined", "retired"],
  suspended: ["active", "quarantined", "retired"],
  quarantined: ["active", "suspended", "retired"],
  retired: [],
};

export const mayBecome = (from: Lifecycle, to: Lifecycle): boolean => next[from].includes(to);

/** Throws `lifecycle_not_allowed` where a device may not go from one state to the other. */
export function assertMayBecome(device: string, from: Lifecycle, to: Lifecycle): void {
  if (mayBecome(from, to)) return;
  if (from === to) throw registryProblems.lifecycle_not_allowed(`Device "${device}" is ${to} already.`);
  const ways = next[from];
  throw registryProblems.lifecycle_not_allowed(`Device "${device}" is ${from} and cannot become ${to}.`, {
    fix:
      ways.length === 0
        ? `A retired device comes back only by \`tenfold device return ${device}\`, or by a voucher of whom it went to.`
        : `From ${from} it can become: ${ways.join(", ")}.`,
  });
}

/** What may be expected anew, because a person says that the board came back or changed hands. */
const mayComeBack: ReadonlySet<Lifecycle> = new Set(["active", "suspended", "quarantined", "retired"]);

/** As `assertMayBecome`, for enrollment, which also lets a device begin anew. */
export function assertMayBeMoved(device: string, from: Lifecycle, to: Lifecycle): void {
  if (to === "expected" && mayComeBack.has(from)) return;
  assertMayBecome(device, from, to);
}

/** As `assertMayBecome`, for a person's wish: only enrollment lets a device in for the first time. */
export function assertMayBeMade(device: string, from: Lifecycle, to: Lifecycle): void {
  if (to === "active" && (from === "expected" || from === "pending")) {
    throw registryProblems.lifecycle_not_allowed(`Device "${device}" is ${from}: it becomes active by enrolling.`, {
      fix: "Approve its enrollment: tenfold enroll approve",
    });
  }
  assertMayBecome(device, from, to);
}

/** The audit trail's name for reaching a state. */
export const actionOf: Readonly<Record<Lifecycle, string>> = {
  expected: "device.expected",
  pending: "device.pending",
  active: "device.resumed",
  suspended: "device.suspended",
  quarantined: "device.quarantined",
  retired: "device.retired",
};
