import { hash32, hours } from "@tenfold/base";
import type { IdentityNotice } from "@tenfold/contracts";
import type { Memory } from "./memory.ts";

/** What a device does about its identity beside its certificate: whom it believes, and what time it is. */
export type Heard = {
  /** The roots that it believes, SHA-256 in hex. */
  readonly believed: readonly string[];
  /** The time as far as it is known, in milliseconds. */
  readonly now: number;
  /** In [0, 1). */
  readonly chance: number;
};

/**
 * What the memory becomes by a notice, and in how many milliseconds to ask for the roots anew (undefined: no need). Pure, and safe to hear
 * again: a renewal is only ever pulled forward, to a moment that follows from the device's name.
 */
export function hearNotice(
  memory: Memory,
  { trust, renewWithinS }: IdentityNotice,
  { believed, now, chance }: Heard,
): { readonly memory: Memory; readonly refreshInMs: number | undefined } {
  const pulled = renewWithinS === undefined ? memory : pullForward(memory, now + chance * renewWithinS * 1_000);
  if (!follows(believed, trust)) return { memory: pulled, refreshInMs: chance * trust.withinS * 1_000 };
  return { memory: toGeneration(pulled, { trust, believed }), refreshInMs: undefined };
}

/** What the memory becomes once the roots of a notice are believed; the same object where they are not, or where nothing is new. */
export function toGeneration(memory: Memory, { trust, believed }: { trust: Trust; believed: readonly string[] }): Memory {
  if (!follows(believed, trust) || memory.trustGeneration === trust.generation) return memory;
  return { ...memory, trustGeneration: trust.generation };
}

type Trust = IdentityNotice["trust"];
const follows = (believed: readonly string[], { roots }: Trust): boolean =>
  believed.length === roots.length && believed.every((root) => roots.includes(root));

function pullForward(memory: Memory, renewAt: number): Memory {
  const { certificate } = memory;
  if (certificate === undefined || certificate.renewAt <= renewAt) return memory;
  return { ...memory, certificate: { ...certificate, renewAt: Math.floor(renewAt) } };
}

/** A clock that differs by less than this from what is known of the time is left alone, in milliseconds. */
const tolerated = 60_000;

/** How far the device's clock is behind what the platform says. Both in milliseconds. */
export const offsetTo = (said: number, clock: number): number => (Math.abs(said - clock) <= tolerated ? 0 : said - clock);

/**
 * How far a clock must be wrong that lies outside the life of a certificate. `fresh`: it was issued just now, so that both of its ends
 * prove the time; a certificate from before the last start proves only that it is not earlier than its beginning.
 */
export function provenOffset(
  certificate: { readonly notBefore: number; readonly notAfter: number } | undefined,
  clock: number,
  of: "fresh" | "kept",
): number {
  if (certificate === undefined) return 0;
  const early = clock < certificate.notBefore;
  const late = of === "fresh" && clock >= certificate.notAfter;
  return early || late ? certificate.notBefore - clock : 0;
}

/** Until a device asks for the roots again when nobody tells it to: a day, less up to half that follows from its name. */
export const trustInterval = (device: string): number => hours(24) * (1 - hash32(`${device}:trust`) / 2 ** 33);
