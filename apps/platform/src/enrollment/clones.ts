import { hours, minutes, seconds } from "@tenfold/base";

/** Why we think that one identity is in two places. A fork proves it; the others are signs. */
export type CloneSign = "generation_fork" | "two_connections" | "two_boots";
export type CloneAction = "quarantine" | "note";
export type ClonePolicy = { readonly onFork: CloneAction; readonly onSign: CloneAction };

const mostWatched = 100_000;
const swaps = 3;
const swapWindow = seconds(60);
const bootWindow = hours(1);
/** One sign is said once in this time. */
const quiet = minutes(10);

/** Answers true when something became worth saying. */
export type ConnectionWatch = { takenOver(device: string, at: number): boolean };
export type BootWatch = { heard(device: string, bootId: string, at: number): boolean };

/** Two holders of one certificate take the connection from each other: three times within a minute is a sign. */
export function watchConnections(): ConnectionWatch {
  const seen = createBounded<{ times: number[]; saidAt: number }>();
  return {
    takenOver(device, at) {
      const known = seen.get(device) ?? { times: [], saidAt: Number.NEGATIVE_INFINITY };
      const times = [...known.times.filter((time) => time > at - swapWindow), at].slice(-swaps);
      const say = times.length >= swaps && at >= known.saidAt + quiet;
      seen.set(device, { times, saidAt: say ? at : known.saidAt });
      return say;
    },
  };
}

type Boots = { now: string; before: string | undefined; returns: readonly number[]; saidAt: number };

/** A boot id never comes back on one device. Once can be a late message; A B A B within an hour are two devices. */
export function watchBoots(): BootWatch {
  const seen = createBounded<Boots>();
  return {
    heard(device, bootId, at) {
      const known = seen.get(device);
      if (known?.now === bootId) return false;
      const recent = (known?.returns ?? []).filter((time) => time > at - bootWindow);
      const returns = known?.before === bootId ? [...recent, at] : [];
      const saidAt = known?.saidAt ?? Number.NEGATIVE_INFINITY;
      const say = returns.length >= 2 && at >= saidAt + quiet;
      seen.set(device, { now: bootId, before: known?.now, returns: returns.slice(-2), saidAt: say ? at : saidAt });
      return say;
    },
  };
}

/** Forgets whoever has been silent for longest. */
function createBounded<Value>() {
  const map = new Map<string, Value>();
  return {
    get: (key: string) => map.get(key),
    set(key: string, value: Value) {
      map.delete(key);
      map.set(key, value);
      const oldest = map.size > mostWatched ? map.keys().next().value : undefined;
      if (oldest !== undefined) map.delete(oldest);
    },
  };
}

const sentences: Record<CloneSign, string> = {
  generation_fork: "A certificate was renewed that had been replaced already: this identity is in two places.",
  two_connections: "Two connections with this identity take each other's place.",
  two_boots: "Heartbeats of two starts alternate under this identity.",
};

export const cloneSentence = (sign: CloneSign): string => sentences[sign];
