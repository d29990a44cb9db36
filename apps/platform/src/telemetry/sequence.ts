/** What a device counts its messages by: its boot's name, and a number that grows by one with each message of the boot. */
export type Sequence = { boot: string; seq: number };

/** Sequence numbers that were taken: ranges with both ends, ascending, with gaps between them. */
export type Ranges = readonly (readonly [from: number, to: number])[];

/** Gaps that are remembered of a boot. A device that sends in order has none, however many messages it sends. */
export const mostRanges = 64;

/** Adds a number; undefined where it was taken before. Of too many ranges the lowest is forgotten: rather a message twice than not at all. */
export function take(ranges: Ranges, seq: number): Ranges | undefined {
  // Nearly always at the end.
  let at = ranges.length;
  while (at > 0 && (ranges[at - 1]?.[0] ?? 0) > seq) at -= 1;
  const [before, after] = [ranges[at - 1], ranges[at]];
  if (before && seq <= before[1]) return undefined;
  const joinsBefore = before !== undefined && before[1] + 1 === seq;
  const joinsAfter = after !== undefined && after[0] - 1 === seq;
  const joined: [number, number] = [joinsBefore ? before[0] : seq, joinsAfter ? after[1] : seq];
  const kept = [...ranges.slice(0, joinsBefore ? at - 1 : at), joined, ...ranges.slice(joinsAfter ? at + 1 : at)];
  return kept.slice(-mostRanges);
}

type Numbered = { device: string; scope: { fleet: string }; sequence?: Sequence };

export const keyOf = ({ device, scope, sequence }: Numbered): string => JSON.stringify([scope.fleet, device, sequence?.boot]);

/**
 * Which places of a batch hold messages that were taken before, in the windows or earlier in the batch; and the windows after it, of those
 * boots only that it names. Messages without a number never count as repeated.
 */
export function sift(
  batch: readonly Numbered[],
  windows: ReadonlyMap<string, Ranges>,
): { repeated: number[]; after: Map<string, Ranges> } {
  const repeated: number[] = [];
  const after = new Map<string, Ranges>();
  for (const [place, message] of batch.entries()) {
    if (message.sequence === undefined) continue;
    const key = keyOf(message);
    const taken = take(after.get(key) ?? windows.get(key) ?? [], message.sequence.seq);
    if (taken === undefined) repeated.push(place);
    else after.set(key, taken);
  }
  return { repeated, after };
}

/** A number and a boot's name as texts, read; undefined where they are not what they should be. */
export function readSequence(seq: unknown, boot: unknown): Sequence | undefined {
  const number = typeof seq === "string" && /^\d{1,16}$/.test(seq) ? Number(seq) : seq;
  if (typeof number !== "number" || !Number.isSafeInteger(number) || number < 0) return undefined;
  return typeof boot === "string" && /^[A-Za-z0-9._:-]{1,64}$/.test(boot) ? { boot, seq: number } : undefined;
}
