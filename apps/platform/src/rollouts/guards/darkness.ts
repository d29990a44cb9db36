import { cohortThreshold, minutes } from "@tenfold/base";

/** A silent device whose deadline is put off: while it is dark around it, and once more when it is light again. */
export type Held = { do: "hold"; deployment: string; device: string; until: number; because: string; dark: "still" | "over" };

/** How many deadlines after the offer silence counts whatever is silent around: every wait has an end. */
const mostDeadlines = 5;
const shortestHold = minutes(1);

/** `held`: its deadline had been put off, and nothing has been heard since. */
type Silent = { deployment: string; device: string; offeredAt: number; held: boolean; dark?: string };

/** Puts a silent device's deadline off; undefined where its silence counts. */
export function holdOf(
  { deployment, device, offeredAt, held, dark }: Silent,
  { deadlineMs }: { deadlineMs: number },
  now: number,
): Held | undefined {
  const last = offeredAt + mostDeadlines * deadlineMs;
  if (now >= last) return undefined;
  if (dark !== undefined)
    return {
      do: "hold",
      deployment,
      device,
      until: Math.min(last, now + Math.max(shortestHold, deadlineMs / 4)),
      because: dark,
      dark: "still",
    };
  if (!held) return undefined;
  const because = "Those around it are heard again, so it has its whole time once more.";
  return { do: "hold", deployment, device, until: now + deadlineMs, because, dark: "over" };
}

/** A device that is looked at to see whether it is dark, and since when it is silent past its lease, if it is. */
export type Bystander = { strata: readonly string[]; silentSince?: number | undefined };
/** Those whom the release has not been offered to; and those that have run it in an earlier stage, for when nobody else is left. */
export type Bystanders = { untouched: readonly Bystander[]; settled: readonly Bystander[] };

const fewest = 3;
const leastShare = 0.1;

/**
 * Why silence in one of these strata says nothing about a release: of the bystanders there that could be heard at `since`, more are silent now
 * than chance can explain (docs/decisions/0026, the threshold of the group alerts). The narrowest stratum with bystanders decides.
 */
export function darknessAround(strata: readonly string[], { untouched, settled }: Bystanders, since: number): string | undefined {
  for (const stratum of strata) {
    for (const [of, which] of [
      [untouched, "have not been offered the release"],
      [settled, "had run the release well for a whole stage"],
      // Where there are too few of either, as at a site of a small fleet, together they may be enough.
      [[...untouched, ...settled], "have not been offered the release or had run it well for a whole stage"],
    ] as const) {
      const around = of.filter((one) => one.strata.includes(stratum) && (one.silentSince ?? since) >= since);
      if (around.length < fewest) continue;
      const silent = around.filter((one) => one.silentSince !== undefined).length;
      if (silent < Math.max(cohortThreshold(around.length), Math.ceil(leastShare * around.length))) return undefined;
      return `${silent} of ${around.length} devices of ${stratum} that ${which} fell silent at the same time.`;
    }
  }
  return undefined;
}
