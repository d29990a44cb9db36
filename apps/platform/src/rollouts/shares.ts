/** A rollout that wants some of the fleet's shared places. */
export type Claim = { rollout: string; weight: number; inFlight: number; queued: number };

/**
 * How many more devices a rollout may take of the fleet's shared places: its share by weight, and what others leave of theirs. Devices on
 * their way are never taken back, so a share may have to wait until they have ended.
 */
export function placesFor(rollout: string, { total, claims }: { total: number; claims: readonly Claim[] }): number {
  const mine = claims.find((claim) => claim.rollout === rollout);
  if (mine === undefined) return 0;
  const taken = claims.reduce((sum, { inFlight }) => sum + inFlight, 0);
  const share = sharesByWeight(total, claims).get(rollout) ?? 0;
  return Math.max(0, Math.min(share - mine.inFlight, total - taken));
}

/** Fills the places by weight, again and again with what those leave who want less than their share. Whole places; the rest by weight. */
export function sharesByWeight(total: number, claims: readonly Claim[]): Map<string, number> {
  const shares = new Map(claims.map(({ rollout }) => [rollout, 0]));
  let left = total;
  let wanting = claims.filter((claim) => wants(claim) > 0);
  while (left > 0 && wanting.length > 0) {
    const weights = wanting.reduce((sum, { weight }) => sum + weight, 0);
    const round = left;
    for (const claim of wanting.toSorted(byWeight)) {
      const open = wants(claim) - (shares.get(claim.rollout) ?? 0);
      const more = Math.min(left, open, Math.max(1, Math.floor((round * claim.weight) / weights)));
      shares.set(claim.rollout, (shares.get(claim.rollout) ?? 0) + more);
      left -= more;
    }
    wanting = wanting.filter((claim) => wants(claim) > (shares.get(claim.rollout) ?? 0));
  }
  return shares;
}

const wants = ({ inFlight, queued }: Claim): number => inFlight + queued;
const byWeight = (a: Claim, b: Claim): number => b.weight - a.weight || (a.rollout < b.rollout ? -1 : 1);
