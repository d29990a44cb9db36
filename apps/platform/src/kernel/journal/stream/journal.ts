import { createHash, randomUUID } from "node:crypto";
import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { describeError } from "@tenfold/base";
import type { Log } from "../../log.ts";
import { type Nats, natsProblems } from "../../nats/index.ts";
import type { Journal } from "../port.ts";
import { type StreamConsumer, startStreamConsumer } from "./consumer.ts";
import { StreamPace } from "./pace.ts";
import { type StreamLimits, startPublisher, usualStreamLimits } from "./publisher.ts";

export type StreamJournalOptions = {
  nats: Nats;
  /** Begins the names of streams and subjects; several installations on one NATS account need several. */
  prefix?: string;
  /** On how many servers each message is stored. */
  replicas?: number;
  log: Log;
  limits?: Partial<StreamLimits>;
};

const second = 1_000_000_000;
/** How long the stream knows the names of messages: longer than a publisher tries. */
const duplicateWindowS = 120;
const lookEveryMs = 1_000;
/** JetStream's number for a stream that is not there. */
const streamUnknown = 10_059;

/** The journal between servers: a stream that all links append to, and that one intake at a time applies. Makes what is not there yet. */
export async function openStreamJournal(options: StreamJournalOptions): Promise<Journal> {
  const { nats, prefix = "tenfold", replicas = 1, log } = options;
  const limits = { ...usualStreamLimits, ...options.limits };
  const names = namesOf(prefix);
  const js = jetstream(nats.connection);
  const jsm = await jetstreamManager(nats.connection);
  const frames: StreamShape = {
    name: names.stream,
    subjects: [names.subject],
    max_bytes: limits.quotaBytes,
    // What does not fit is refused, so that the device keeps it; the other policy would throw acknowledged messages away.
    discard: DiscardPolicy.New,
    duplicate_window: duplicateWindowS * second,
    num_replicas: replicas,
  };
  const created = await ensureStream(jsm, frames);
  await ensureStream(jsm, {
    name: names.cursorStream,
    subjects: [names.cursorSubject],
    max_msgs_per_subject: 1,
    discard: DiscardPolicy.Old,
    num_replicas: replicas,
  });
  // A stream that was deleted and made again counts from one again: its batches need other tokens.
  const id = createHash("sha256").update(`${names.stream} ${created}`).digest("hex").slice(0, 16);
  const maxPayload = nats.connection.info?.max_payload ?? 1 << 20;
  const publisher = startPublisher({
    js,
    stream: names.stream,
    subject: names.subject,
    limits,
    maxPayload,
    onReturn: nats.onReturn,
    log,
  });
  let consumer: StreamConsumer | undefined;
  let stored = { messages: 0, bytes: 0 };
  const pace = new StreamPace(limits.freeBytes);
  let behind: PromiseWithResolvers<void> | undefined;
  const noteBehind = (is: boolean) => {
    if (is) behind ??= Promise.withResolvers();
    else {
      behind?.resolve();
      behind = undefined;
    }
  };
  const watch = setInterval(() => {
    jsm.streams.info(names.stream).then(
      ({ state }) => {
        stored = state;
        pace.look({ at: performance.now(), firstSeq: state.first_seq, messages: state.messages, bytes: state.bytes });
        noteBehind(pace.isBehind());
      },
      // Where NATS does not answer, nothing can be published either, and that is pressure by itself.
      () => noteBehind(false),
    );
  }, lookEveryMs).unref();
  let closing: Promise<void> | undefined;
  const close = async () => {
    clearInterval(watch);
    noteBehind(false);
    await consumer?.stop();
    await publisher.close();
  };
  return {
    id,
    append: publisher.append,
    pressure: () => (behind === undefined ? publisher.pressure() : "high"),
    async ready() {
      await behind?.promise;
      await publisher.ready();
    },
    health: nats.health,
    backlog() {
      const held = consumer?.held() ?? { frames: 0, bytes: 0 };
      // Of what is not read yet, only messages and bytes are known; a message has at least one frame.
      return { frames: Math.max(held.frames, stored.messages), bytes: Math.max(held.bytes, stored.bytes) };
    },
    consume(options) {
      if (consumer) throw new Error("A journal has one consumer.");
      const turns = {
        js,
        jsm,
        stream: names.cursorStream,
        subject: names.cursorSubject,
        about: id,
        takeOverMs: limits.takeOverMs,
        owner: randomUUID(),
      };
      consumer = startStreamConsumer({ js, jsm, stream: names.stream, turns, log }, options);
      return consumer;
    },
    close: () => (closing ??= close()),
  };
}

const namesOf = (prefix: string) => ({
  stream: `${prefix.toUpperCase()}_INTAKE`,
  subject: `${prefix}.intake`,
  cursorStream: `${prefix.toUpperCase()}_INTAKE_CURSOR`,
  cursorSubject: `${prefix}.cursor`,
});

type StreamShape = Partial<StreamConfig> & { name: string };

/** Makes the stream, or brings its limits up to date; says when it was made. */
async function ensureStream(jsm: JetStreamManager, shape: StreamShape): Promise<string> {
  const wanted = { ...shape, storage: StorageType.File, retention: RetentionPolicy.Limits };
  try {
    const { config, created } = await jsm.streams.info(shape.name);
    const differs = (["max_bytes", "duplicate_window", "num_replicas", "discard"] as const).some(
      (key) => shape[key] !== undefined && shape[key] !== config[key],
    );
    if (differs) await jsm.streams.update(shape.name, shape);
    return created;
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== streamUnknown) throw error;
    // Where another process makes it at the same moment with the same shape, JetStream answers both alike.
    const made = await jsm.streams.add(wanted).catch((cause: unknown) => {
      throw natsProblems.nats_refused(`NATS does not make the stream ${shape.name}: ${describeError(cause)}`, {
        cause,
        fix: "Give JetStream room for TENFOLD_JOURNAL_MAX_BYTES (max_file_store), the account its JetStream limits, and as many servers as TENFOLD_NATS_REPLICAS says.",
      });
    });
    return made.created;
  }
}
