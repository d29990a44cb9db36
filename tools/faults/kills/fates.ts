import { hash32 } from "@tenfold/base";

/** What becomes of a device that takes a version. `flaky`: its first try fails, a later one does not. `silent`: nothing is heard of it for long. */
export type Fate = "runs" | "fails" | "fallsBack" | "silent" | "flaky";
/** How a DDI client takes a cancellation that comes before it has installed. */
export type CancelManners = "confirms" | "refuses" | "ignores";

/** A plot is played with a release of its own; its letter stands in the version, so that a device knows its fate. */
export type Plot = "good" | "halts" | "cancelled" | "silent" | "flaky";

const letters = { good: 1, halts: 2, cancelled: 3, silent: 4, flaky: 5 } as const satisfies Record<Plot, number>;

/** `round.letter.0`, so that every round's version is newer than the one before. */
export const versionOf = (round: number, plot: Plot): string => `${round}.${letters[plot]}.0`;

/** Decided by device and version for ever. */
export function fateOf(device: string, version: string): Fate {
  const drawn = hash32(`${device} ${version}`) / 2 ** 32;
  switch (Number(version.split(".")[1])) {
    case letters.halts:
      return drawn < 0.35 ? "fallsBack" : drawn < 0.6 ? "fails" : "runs";
    case letters.silent:
      return drawn < 0.4 ? "silent" : "runs";
    case letters.flaky:
      return drawn < 0.4 ? "flaky" : "runs";
    default:
      return "runs";
  }
}

export function cancelMannersOf(device: string, version: string): CancelManners {
  const drawn = hash32(`${device} ${version} cancel`) / 2 ** 32;
  return drawn < 0.4 ? "confirms" : drawn < 0.7 ? "refuses" : "ignores";
}
