import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { JetStreamApiError, type JetStreamClient, type JetStreamManager } from "@nats-io/jetstream";
import { journalProblems } from "../problems.ts";
import { type Cursor, decodeCursor, encodeCursor } from "./cursor.ts";

/** The right to go on, until another process takes it. */
export type Turn = {
  /** As it was last written. */
  cursor(): Cursor;
  /** Resolves when it is durable; rejects with `TurnLost` when another process has gone on meanwhile. */
  write(progress: Pick<Cursor, "applied" | "cut">): Promise<void>;
  /** Says that this process is still there, unless it wrote lately. */
  touch(): Promise<void>;
  /** Hands the turn on at once. Never rejects. */
  release(): Promise<void>;
};

export class TurnLost extends Error {}

export type TurnParts = {
  js: JetStreamClient;
  jsm: JetStreamManager;
  /** The stream of the cursor, which holds one message: the newest. */
  stream: string;
  subject: string;
  /** The stream that the cursor is about. */
  about: string;
  takeOverMs: number;
  /** Names this process. */
  owner: string;
};

type Seen = { cursor: Cursor | undefined; revision: number };

const attemptMs = 5_000;
const lookMs = 250;
/** JetStream's number for "another message came first". */
const wrongLastSequence = 10_071;

/**
 * Waits until nobody else goes on: nobody has the turn, or its owner has written nothing for `takeOverMs`. Only revisions, which the
 * server orders, and this process's own stopwatch count, no clock. Whoever was only slow notices at its next writing. Undefined when
 * `signal` aborts first.
 */
export async function takeTurn(parts: TurnParts, signal: AbortSignal): Promise<Turn | undefined> {
  let since = performance.now();
  let last = -1;
  while (!signal.aborted) {
    const seen = await readCursor(parts);
    if (seen.revision !== last) since = performance.now();
    last = seen.revision;
    const idle =
      seen.cursor?.owner === undefined || seen.cursor.owner === parts.owner || performance.now() - since > parts.takeOverMs;
    if (idle) {
      const turn = await claim(parts, seen);
      if (turn !== undefined) return turn;
    }
    await pause(Math.min(lookMs, parts.takeOverMs / 4), undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

/** The newest cursor. Throws where it cannot be read: nothing may be applied on a guess. */
export async function readCursor({ jsm, stream, subject }: TurnParts): Promise<Seen> {
  const message = await jsm.streams.getMessage(stream, { last_by_subj: subject });
  if (message === null) return { cursor: undefined, revision: 0 };
  try {
    return { cursor: decodeCursor(message.string()), revision: message.seq };
  } catch (cause) {
    throw journalProblems.journal_damaged(`The cursor in the stream ${stream} cannot be read.`, { cause });
  }
}

async function claim(parts: TurnParts, seen: Seen): Promise<Turn | undefined> {
  const { owner } = parts;
  const same = seen.cursor?.stream === parts.about ? seen.cursor : undefined;
  let cursor: Cursor = { stream: parts.about, applied: 0, ...same, owner, write: "" };
  let revision = seen.revision;
  let writtenAt = performance.now();
  let queue: Promise<void> = Promise.resolve();

  const put = async (next: Omit<Cursor, "write">) => {
    const named = { ...next, write: randomUUID() };
    revision = await publish(parts, named, revision);
    cursor = named;
    writtenAt = performance.now();
  };
  /** One after the other: each writing names the one before it. */
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const mine = queue.then(work);
    queue = mine.catch(() => undefined);
    return mine;
  };
  try {
    await put(cursor);
  } catch (error) {
    if (error instanceof TurnLost) return undefined;
    throw error;
  }
  return {
    cursor: () => cursor,
    write: ({ applied, cut }) => inTurn(() => put({ stream: parts.about, owner, applied, ...(cut ? { cut } : {}) })),
    touch: () => inTurn(async () => void (performance.now() - writtenAt > parts.takeOverMs / 4 && (await put(cursor)))),
    release: () =>
      inTurn(async () => {
        const { owner: _, ...free } = cursor;
        await put(free);
      }).catch(() => undefined),
  };
}

/** Writes behind `revision`, trying again for a while where the server does not answer; resolves to the new revision. */
async function publish(parts: TurnParts, cursor: Cursor, revision: number): Promise<number> {
  for (let failures = 0; ; failures++) {
    try {
      const ack = await parts.js.publish(parts.subject, encodeCursor(cursor), {
        timeout: attemptMs,
        expect: { streamName: parts.stream, lastSubjectSequence: revision },
      });
      return ack.seq;
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === wrongLastSequence) {
        // An attempt before this one may have been stored, and only its acknowledgement lost.
        const seen = await readCursor(parts);
        if (seen.cursor?.write === cursor.write) return seen.revision;
        throw new TurnLost("Another process goes on.", { cause: error });
      }
      if (failures >= 2) throw error;
      await pause(100);
    }
  }
}
