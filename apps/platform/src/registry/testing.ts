import type { Actor, Heartbeat } from "@tenfold/contracts";

/** The moment at which tests begin. */
export const start = Date.UTC(2026, 9, 1);

export const operator: Actor = { kind: "person", id: "per_1", name: "Olga" };

export function heartbeatOf({ leaseS = 60, version = "1.0.0", ...rest }: Partial<Heartbeat> & { version?: string }): Heartbeat {
  return {
    seq: 1,
    bootId: "boot-1",
    uptimeS: 10,
    leaseS,
    monoS: 10,
    clock: "synced",
    firmware: { version, state: "confirmed" },
    ...rest,
  };
}
