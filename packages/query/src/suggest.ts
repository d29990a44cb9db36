/** The word of the list that somebody most likely meant: the nearest within two slips of the finger; undefined when none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const scored = known.map((candidate) => ({ candidate, slips: distance(word.toLowerCase(), candidate.toLowerCase()) }));
  // Of two equally near words the one that begins alike: slips come late in a word.
  const best = scored.toSorted((a, b) => a.slips - b.slips || sharedStart(word, b.candidate) - sharedStart(word, a.candidate))[0];
  return best !== undefined && best.slips <= Math.min(2, best.candidate.length - 1) ? best.candidate : undefined;
}

const sharedStart = (a: string, b: string): number => [...`${a}\0`].findIndex((letter, i) => letter !== b[i]);

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment), for short words. */
function distance(a: string, b: string): number {
  if (a.length > 40) return Number.POSITIVE_INFINITY;
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          at(i - 1, j) + 1,
          at(i, j - 1) + 1,
          at(i - 1, j - 1) + same,
          swapped ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
  }
  return at(a.length, b.length);
}
