import { minutes } from "@tenfold/base";
import type { Deafness } from "../registry/index.ts";

/** At work for less than this between two gaps, the platform has not heard enough to judge by. */
const shortestHearing = minutes(5);

/** The last of the gaps (in their order), with those before it that had no real pause between them: two restarts are one deafness. */
export function lastDeafness(gaps: readonly Deafness[]): Deafness | undefined {
  return gaps.reduce<Deafness | undefined>((last, gap) => {
    const goesOn = last !== undefined && gap.from - last.until < shortestHearing;
    return { from: goesOn ? last.from : gap.from, until: gap.until };
  }, undefined);
}
