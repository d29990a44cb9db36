/** How fast TLS handshakes begin. A handshake costs about two milliseconds of a core; what waits for one costs a file handle. */
export type HandshakePace = {
  /** Handshakes begun a second, on the average. */
  perSecond: number;
  /** Handshakes begun at once after a pause. */
  burst: number;
  /** Connections that may wait for theirs; nothing of them is read. */
  maxWaiting: number;
};

/**
 * Which connection's handshake begins next. Waiting connections stand in one line an address, and the lines take turns: whoever opens a
 * thousand connections waits for himself. Pure: milliseconds of a clock that never steps back are given to each call.
 */
export class HandshakeQueue<Waiting> {
  readonly #pace: HandshakePace;
  /** The order of the map is the order of the turns. */
  readonly #lines = new Map<string, Set<Waiting>>();
  #count = 0;
  #tokens: number;
  #at: number;

  constructor(pace: HandshakePace, now: number) {
    this.#pace = pace;
    this.#tokens = pace.burst;
    this.#at = now;
  }

  get waiting(): number {
    return this.#count;
  }

  /** Takes a new connection in; answers which one is sent away for it, if there is no room for all: the newest of the longest line. */
  arrive(address: string, arrived: Waiting): Waiting | undefined {
    const line = this.#lines.get(address) ?? new Set();
    this.#lines.set(address, line);
    line.add(arrived);
    this.#count += 1;
    if (this.#count <= this.#pace.maxWaiting) return undefined;
    const [longest, members] = [...this.#lines].reduce((a, b) => (b[1].size > a[1].size ? b : a), [address, line] as const);
    const last = [...members].at(-1) ?? arrived;
    this.leave(longest, last);
    return last;
  }

  /** Those whose handshakes begin now. `mayBegin` is asked of each address when its turn has come; where it may not, the next one's has. */
  due(now: number, mayBegin: (address: string, next: Waiting) => boolean = () => true): Waiting[] {
    const { perSecond, burst } = this.#pace;
    this.#tokens = Math.min(burst, this.#tokens + (Math.max(0, now - this.#at) * perSecond) / 1_000);
    this.#at = now;
    const due: Waiting[] = [];
    for (; this.#tokens >= 1; this.#tokens -= 1) {
      const next = this.#next(mayBegin);
      if (next === undefined) break;
      due.push(next);
    }
    return due;
  }

  #next(mayBegin: (address: string, next: Waiting) => boolean): Waiting | undefined {
    for (const [address, line] of this.#lines) {
      const [first] = line;
      if (first === undefined || !mayBegin(address, first)) continue;
      this.#lines.delete(address);
      this.#lines.set(address, line);
      this.leave(address, first);
      return first;
    }
    return undefined;
  }

  /** No longer waits, whether it did or not. */
  leave(address: string, waiting: Waiting): void {
    const line = this.#lines.get(address);
    if (line?.delete(waiting)) this.#count -= 1;
    if (line?.size === 0) this.#lines.delete(address);
  }
}
