/** Latencies in buckets that grow by 2 %: any percentile to 1 %, at one addition a value, and counts of several processes add up. */
export class LatencyCounts {
  readonly #counts = new Uint32Array(buckets);

  add(ms: number): void {
    const at = ms <= least ? 0 : Math.min(buckets - 1, Math.ceil(Math.log(ms / least) / perBucket));
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  merge(counts: readonly number[]): void {
    for (const [at, n] of counts.entries()) this.#counts[at] = (this.#counts[at] ?? 0) + n;
  }

  buckets(): number[] {
    return [...this.#counts];
  }

  get count(): number {
    return this.#counts.reduce((sum, n) => sum + n, 0);
  }

  /** Milliseconds that this share of all values does not exceed; NaN where there are none. */
  percentile(share: number): number {
    let rank = Math.max(1, Math.ceil(this.count * share));
    for (const [at, n] of this.#counts.entries()) {
      rank -= n;
      if (rank <= 0) return least * Math.exp((at - 0.5) * perBucket);
    }
    return Number.NaN;
  }
}

const least = 0.01;
const perBucket = Math.log(1.02);
const buckets = 900;
