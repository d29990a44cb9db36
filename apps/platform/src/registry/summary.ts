import { lifecycles, statuses } from "@tenfold/query";
import type { DeviceCount } from "./store.ts";

export type Summary = {
  total: number;
  connectivity: Record<string, number>;
  lifecycle: Record<string, number>;
  /** Most used first; devices that never said are left out. */
  firmware: { version: string; devices: number }[];
};

/** Adds up counts by kind. Every status and lifecycle is there, also at zero. */
export function summarize(counts: readonly DeviceCount[]): Summary {
  const zeros = (names: readonly string[]) => new Map(names.map((name) => [name, 0]));
  const [connectivity, lifecycle, firmware] = [zeros(statuses), zeros(lifecycles), zeros([])];
  for (const { status, lifecycle: state, version, n } of counts) {
    add(connectivity, status, n);
    add(lifecycle, state, n);
    if (version !== null) add(firmware, version, n);
  }
  return {
    total: counts.reduce((sum, { n }) => sum + n, 0),
    connectivity: Object.fromEntries(connectivity),
    lifecycle: Object.fromEntries(lifecycle),
    firmware: [...firmware]
      .map(([version, devices]) => ({ version, devices }))
      .toSorted((a, b) => b.devices - a.devices || (a.version < b.version ? -1 : 1)),
  };
}

const add = (sums: Map<string, number>, name: string, n: number) => sums.set(name, (sums.get(name) ?? 0) + n);
