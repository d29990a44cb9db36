/**
 * A durable log in front of slower stores: what `append` has resolved will be applied, in order, exactly as often as the batches' tokens
 * let it: once. Two sides: segment files in the data folder (journal.ts), and a JetStream stream between servers (nats/). Both run
 * contract.testing.ts.
 */
export type Journal = {
  /** Begins the tokens of its batches; never the same for two journals. */
  readonly id: string;
  /**
   * Resolves when the frame is durable; frames that become durable together may share a promise. Rejects with a `journal_…` problem, and then
   * the frame counts as never sent. `kept` may be handed out again with the frame, or not: whoever gets a frame alone reads its bytes. The
   * frame must not be changed afterwards.
   */
  append(frame: Buffer, kept?: object): Promise<unknown>;
  /**
   * `high`: stop reading from sockets until `ready()` resolves. Too much waits to become durable, or more comes in than a store that works is
   * able to take. A store that is down is no pressure.
   */
  pressure(): "none" | "high";
  ready(): Promise<void>;
  health(): { is: "well" } | { is: "broken"; because: string };
  /** What is durable and not yet applied. */
  backlog(): { frames: number; bytes: number };
  /** Begins to hand out batches: first those that an earlier process had fixed, unchanged. Once in a journal's life. */
  consume(options: ConsumeOptions): Consumption;
  /** Writes what waits, ends the consumer after its batch, and lets go of everything. */
  close(): Promise<void>;
};

export type Batch = {
  /** Names exactly these frames, for ever: the same batch has the same token when it is applied again after a crash. */
  token: string;
  frames: readonly Buffer[];
  /** What was appended beside each frame, where this process still has it in memory. */
  kept?: readonly (object | undefined)[];
  /** Whether it may have been applied before, in whole or in part: it was fixed by an earlier process, or the attempt before this one failed. */
  again: boolean;
};

export type ConsumeOptions = {
  /**
   * Takes one batch; only then the next comes. It is called again with the same batch, after a growing pause and without end, until it
   * resolves, so it must be idempotent by the token, and put aside by itself what can never be applied. `signal` aborts on `stop`.
   */
  apply(batch: Batch, signal: AbortSignal): Promise<void>;
  /** A batch is cut when its oldest frame is this old, or when it has this many frames or bytes. */
  cutAfterMs: number;
  maxFrames: number;
  maxBytes: number;
};

export const usualBatches = { cutAfterMs: 250, maxFrames: 50_000, maxBytes: 4 << 20 };

export type Consumption = {
  /** Resolves when all that is durable now is applied. */
  caughtUp(): Promise<void>;
  stop(): Promise<void>;
};
