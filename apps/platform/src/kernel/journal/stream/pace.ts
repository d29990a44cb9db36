/** The store is taken to be down, not slow, when nothing left the stream for so long: then the stream takes in what comes, up to its quota. */
const stalledMs = 10_000;
/** What waits may take this long to be applied before devices are made to wait. */
const drainMs = 5_000;

/** What is told of a stream: its oldest message, how many it holds and their bytes, and when (milliseconds of any steady clock). */
export type StreamLook = { at: number; firstSeq: number; messages: number; bytes: number };

/**
 * Whether more comes in than is applied, as every process sees it: whoever applies is another one, and takes what it has applied out of the
 * stream. The same rule as for the journal in files (../pace.ts), from the outside: a store that is slow makes devices wait, one that is down does not.
 */
export class StreamPace {
  /** Less than this is never too much, bytes. */
  readonly #freeBytes: number;
  #bytesPerMs = Number.POSITIVE_INFINITY;
  #last: StreamLook | undefined;
  #movedAt = 0;

  constructor(freeBytes: number) {
    this.#freeBytes = freeBytes;
  }

  look(now: StreamLook): void {
    const before = this.#last;
    this.#last = now;
    if (before === undefined || before.messages === 0) {
      this.#movedAt = now.at;
      return;
    }
    const left = now.firstSeq - before.firstSeq;
    if (left <= 0) return;
    const tookMs = now.at - this.#movedAt;
    this.#movedAt = now.at;
    // The first step after a stop tells how long it lasted, not how fast the store is.
    this.#bytesPerMs =
      tookMs > stalledMs ? Number.POSITIVE_INFINITY : (left * before.bytes) / before.messages / Math.max(1, tookMs);
  }

  isBehind(): boolean {
    if (this.#last === undefined) return false;
    const { at, bytes } = this.#last;
    if (bytes <= this.#freeBytes || at - this.#movedAt > stalledMs) return false;
    return bytes / this.#bytesPerMs > drainMs;
  }
}
