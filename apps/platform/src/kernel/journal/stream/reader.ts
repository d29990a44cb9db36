import type { JetStreamClient } from "@nats-io/jetstream";
import { DeliverPolicy } from "@nats-io/jetstream";
import { journalProblems } from "../problems.ts";
import { unpack } from "./packing.ts";

export type Stretch = { frames: Buffer[]; to: number };

/** Reads the stream in order, ahead of who takes, as far as a few megabytes. */
export type Reader = {
  /** Something is here, or comes within `ms`. */
  waitFor(ms: number, signal: AbortSignal): Promise<boolean>;
  /** Bytes and frames that are here. */
  held(): { frames: number; bytes: number };
  /** Whole messages in a row until a limit is reached or, at last, the message `until`. At least one, when one is here. */
  take(limits: { frames: number; bytes: number; until?: number }): Stretch | undefined;
  /** When the oldest that is here came, as `performance.now()` counts. */
  oldestAt(): number | undefined;
  close(): Promise<void>;
};

type Held = { seq: number; frames: Buffer[]; bytes: number; at: number };

const aheadBytes = 4 << 20;

/** Begins behind the message `after`. Rejects, or later throws, where the stream cannot be read. */
export async function readStream(js: JetStreamClient, { stream, after }: { stream: string; after: number }): Promise<Reader> {
  // An ordered consumer: the client library begins again by itself behind what it has delivered, when server or connection were away.
  const consumer = await js.consumers.get(stream, { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: after + 1 });
  // Asked for often, so that a server which was away is missed after a second, and not after half a minute.
  const messages = await consumer.consume({ max_bytes: aheadBytes, expires: 3_000, idle_heartbeat: 500 });
  const held: Held[] = [];
  let size = { frames: 0, bytes: 0 };
  let failed: Error | undefined;
  let arrived = Promise.withResolvers<void>();
  let room = Promise.withResolvers<void>();
  let closed = false;

  const reading = (async () => {
    for await (const message of messages) {
      const frames = unpack(Buffer.from(message.data.buffer, message.data.byteOffset, message.data.byteLength));
      if (frames === undefined) throw damaged(stream, message.seq);
      held.push({ seq: message.seq, frames, bytes: message.data.byteLength, at: performance.now() });
      size = { frames: size.frames + frames.length, bytes: size.bytes + message.data.byteLength };
      arrived.resolve();
      // Not iterating is what makes the library stop asking for more.
      while (size.bytes > aheadBytes && !closed) await room.promise;
      if (closed) return;
    }
  })().catch((error: unknown) => {
    failed = error instanceof Error ? error : new Error(String(error));
    arrived.resolve();
  });

  return {
    async waitFor(ms, signal) {
      if (failed) throw failed;
      if (held.length > 0) return true;
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, ms);
      const abort = () => late.resolve();
      signal.addEventListener("abort", abort, { once: true });
      await Promise.race([arrived.promise, late.promise]);
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      if (failed) throw failed;
      return held.length > 0;
    },
    held: () => size,
    oldestAt: () => held[0]?.at,
    take({ frames, bytes, until = Number.POSITIVE_INFINITY }) {
      const taken: Held[] = [];
      let sum = { frames: 0, bytes: 0 };
      for (let next = held[0]; next !== undefined && next.seq <= until; next = held[0]) {
        const more = { frames: sum.frames + next.frames.length, bytes: sum.bytes + next.bytes };
        if (taken.length > 0 && (more.frames > frames || more.bytes > bytes)) break;
        held.shift();
        taken.push(next);
        sum = more;
      }
      const newest = taken.at(-1);
      if (newest === undefined) return undefined;
      size = { frames: size.frames - sum.frames, bytes: size.bytes - sum.bytes };
      if (held.length === 0) arrived = Promise.withResolvers();
      room.resolve();
      room = Promise.withResolvers();
      return { frames: taken.flatMap((one) => one.frames), to: newest.seq };
    },
    async close() {
      closed = true;
      room.resolve();
      messages.stop();
      await reading;
      await consumer.delete().catch(() => undefined);
    },
  };
}

const damaged = (stream: string, seq: number) =>
  journalProblems.journal_damaged(`Message ${seq} of the stream ${stream} is damaged: what was once acknowledged cannot be read.`, {
    fix: `Check the disks of the NATS servers. Keep a copy with \`nats stream get ${stream} ${seq}\`; \`nats stream rmm ${stream} ${seq}\` lets the others go on.`,
  });
