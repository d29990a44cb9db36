import { describeError, type Scope } from "@tenfold/base";
import type { UpChannel } from "@tenfold/contracts";
import {
  applyIsolating,
  type Batch,
  type Consumption,
  type Journal,
  type Log,
  type Metrics,
  usualBatches,
} from "../kernel/index.ts";
import { type Counted, createAnswers } from "./answers.ts";
import type { Refusal } from "./errors.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import type { Decode, Decoded, Received, UpMessage } from "./message.ts";
import { limits } from "./point.ts";
import type { Sift } from "./sequence.shell.ts";
import type { Sequence } from "./sequence.ts";
import { createAliases } from "./sparkplug-aliases.ts";

export type Item<Value> = { message: UpMessage; value: Value };

export type Consumer<Value> = {
  /** Part of the batches' tokens: never change it. */
  name: string;
  decode: Decode<Value>;
  /**
   * Takes what is durable, in order. It may be called again with the same items and token, after a crash or a failure, and must then change
   * nothing twice: PostgreSQL by its keys, the store by the token. A 503 problem means "later"; any other error is narrowed down to the
   * message that causes it, which is put aside.
   */
  apply(batch: Item<Value>[], context: Applying): Promise<void>;
};

/** `again`: these items may have been applied before under this token, in whole or in part, after a crash or a failure. */
export type Applying = { token: string; again: boolean };

export type RefusalNote = { device: string; scope: Scope; at: number; because: string; detail: string };

/** A message that was acknowledged and cannot be applied: kept, so that nothing acknowledged is ever lost. */
export type DeadLetter = { message: UpMessage; consumer: string; token: string; because: string };

/** Under which a dead letter is applied again, however often. */
export const againToken = (token: string): string => `${token}:again`;

export type Intake = {
  /** Resolves `stored` only when the message is durable: one promise for all that became so together. Never rejects. */
  receive(message: UpMessage): Promise<Received>;
  /** Several consumers may share a channel; the message is refused when one of them cannot read it. Register before `start`. */
  consume<Value>(channel: UpChannel, consumer: Consumer<Value>): void;
  /** Hands a dead letter once more to the consumer that could not take it, and to no other. Rejects with the consumer's failure. */
  applyAgain(letter: DeadLetter): Promise<void>;
  /** Begins to apply: first what an earlier process acknowledged and did not finish. */
  start(): void;
  /** Resolves when everything durable is applied and can be queried. */
  caughtUp(): Promise<void>;
  /** `high`: links should stop reading from their sockets until `ready()`. */
  pressure(): "none" | "high";
  ready(): Promise<void>;
  stop(): Promise<void>;
};

export type IntakeDeps = {
  journal: Journal;
  putAside(letter: DeadLetter): Promise<void>;
  onRefused(note: RefusalNote): void;
  log: Log;
  metrics: Pick<Metrics, "counter" | "reading">;
  /** Leaves out what came again. Without it, a message that is sent twice is applied twice. */
  sift?: Sift;
  batches?: Partial<typeof usualBatches>;
};

export function createIntake({ journal, putAside, onRefused, log, metrics, sift, batches }: IntakeDeps): Intake {
  // The channel's decoders and consumers agree by construction: `consume` takes them in pairs.
  const channels = new Map<UpChannel, Consumer<unknown>[]>();
  const messages = metrics.counter("tenfold_intake_messages_total", "Messages from devices, by what became of them.", [
    "transport",
    "channel",
    "result",
  ]);
  const aside = metrics.counter(
    "tenfold_intake_put_aside_total",
    "Acknowledged messages that could not be applied and are kept as dead letters.",
    ["consumer"],
  );
  metrics.reading(
    "tenfold_intake_backlog_frames",
    "Messages that are durable and not yet applied.",
    () => journal.backlog().frames,
  );
  metrics.reading(
    "tenfold_intake_pressure",
    "1 while devices are made to wait, because more comes in than can be made durable or stored.",
    () => (journal.pressure() === "high" ? 1 : 0),
  );
  const aliases = createAliases();
  let consumption: Consumption | undefined;

  const count = ({ transport, channel, result, many }: Counted) => messages.inc({ transport, channel, result }, many);
  const answerOf = createAnswers(count);

  const receive = (given: UpMessage): Promise<Received> => {
    const message = aliases.resolve(given);
    const read = examine(message, channels.get(message.channel) ?? []);
    if (read.is === "refused") return Promise.resolve(refused(message, read));
    const { kept } = read;
    return answerOf(append(kept.message, kept), message);
  };

  const append = (message: UpMessage, kept: Kept): Promise<unknown> => {
    try {
      return journal.append(encodeFrame(message), kept);
    } catch (error) {
      return Promise.reject(error);
    }
  };

  const refused = ({ device, scope, receivedAt, transport, channel }: UpMessage, read: Received & { is: "refused" }): Received => {
    count({ transport, channel, result: read.is, many: 1 });
    onRefused({ device, scope, at: receivedAt, because: read.because, detail: read.detail });
    return read;
  };

  const apply = async ({ token, frames, kept = [], again }: Batch): Promise<void> => {
    const all: Kept[] = [];
    for (const [place, frame] of frames.entries()) {
      // What lies beside a frame, `append` above put there.
      const read = (kept[place] as Kept | undefined) ?? readFrame(frame);
      if (read === undefined) log.error("intake.frame_unreadable", { token, bytes: frame.length });
      else all.push(read);
    }
    const byChannel = new Map<UpChannel, Kept[]>();
    for (const one of sift ? await sift(all, token) : all) listOf(byChannel, one.message.channel).push(one);
    const work = [...byChannel].flatMap(([channel, list]) =>
      (channels.get(channel) ?? []).map((consumer, place) => hand(consumer, place, { list, token, again })),
    );
    // All are waited for, so that none is still at work when the batch is tried again.
    const failed = (await Promise.allSettled(work)).find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  };

  /** `place` is the consumer's among those of its channel. */
  const hand = async (consumer: Consumer<unknown>, place: number, { list, token, again }: Applying & { list: Kept[] }) => {
    const items: Item<unknown>[] = [];
    const keep = async (message: UpMessage, because: string) => {
      aside.inc({ consumer: consumer.name });
      log.error("intake.put_aside", { device: message.device, channel: message.channel, consumer: consumer.name, because });
      await putAside({ message, consumer: consumer.name, token, because });
    };
    for (const { message, values } of list) {
      if (values !== undefined) {
        items.push({ message, value: values[place] });
        continue;
      }
      const read = decodeSafely(consumer, message);
      if (read.is === "ok") items.push({ message, value: read.value });
      else await keep(message, `${read.because}: ${read.detail}`);
    }
    if (items.length === 0) return;
    await applyIsolating({
      items,
      token: `${token}:${consumer.name}`,
      apply: (part, partToken) => consumer.apply([...part], { token: partToken, again }),
      putAside: ({ message }, { because }) => keep(message, because),
    });
  };

  return {
    receive,
    consume(channel, consumer) {
      if (consumption) throw new Error("Consumers are registered before the intake starts.");
      // `apply` only ever gets what this consumer's own `decode` returned.
      channels.set(channel, [...(channels.get(channel) ?? []), consumer as Consumer<unknown>]);
    },
    async applyAgain({ message, consumer: name, token }) {
      const consumer = channels.get(message.channel)?.find((one) => one.name === name);
      if (consumer === undefined)
        throw new Error(`Nothing here is called ${name} and takes messages of the channel "${message.channel}".`);
      const read = decodeSafely(consumer, message);
      if (read.is === "refused") throw new Error(`${read.because}: ${read.detail}`);
      await consumer.apply([{ message, value: read.value }], { token: againToken(token), again: true });
    },
    start() {
      consumption ??= journal.consume({ ...usualBatches, ...batches, apply });
    },
    caughtUp: async () => consumption?.caughtUp(),
    pressure: journal.pressure,
    ready: journal.ready,
    stop: async () => consumption?.stop(),
  };
}

/** A message, and what each consumer of its channel reads in it; without that where it comes from the disk. */
type Kept = { message: UpMessage; values?: readonly unknown[] };

function readFrame(frame: Buffer): Kept | undefined {
  const message = decodeFrame(frame);
  return message && { message };
}

type Examined = { is: "ok"; kept: Kept } | (Received & { is: "refused" });

/** Whether every consumer can read the message; what they read; and the message with its number, where that stands in the payload. */
function examine(message: UpMessage, consumers: readonly Consumer<unknown>[]): Examined {
  if (consumers.length === 0)
    return refuse("channel_unsupported", `Nothing here takes messages of the channel "${message.channel}".`);
  if (message.payload.length > limits.payloadBytes)
    return refuse("payload_too_large", `A payload may have ${limits.payloadBytes} bytes, this one has ${message.payload.length}.`);
  let { sequence } = message;
  const values: unknown[] = [];
  for (const consumer of consumers) {
    // Consumers often share a decoder; what it says once holds for all of them.
    const same = firstWith(consumers, consumer.decode);
    if (same < values.length) {
      values.push(values[same]);
      continue;
    }
    const read = decodeSafely(consumer, message);
    if (read.is === "refused") return read;
    values.push(read.value);
    sequence ??= read.sequence;
  }
  return { is: "ok", kept: { message: sequence === message.sequence ? message : withNumber(message, sequence), values } };
}

function firstWith(consumers: readonly Consumer<unknown>[], decode: Decode<unknown>): number {
  let place = 0;
  while (consumers[place]?.decode !== decode) place += 1;
  return place;
}

const withNumber = (message: UpMessage, sequence: Sequence | undefined): UpMessage =>
  sequence ? { ...message, sequence } : message;

const refuse = (because: Refusal, detail: string) => ({ is: "refused" as const, because, detail });

/** A decoder that throws is a mistake of ours, and must cost no more than the message. */
function decodeSafely({ decode }: Pick<Consumer<unknown>, "decode">, message: UpMessage): Decoded<unknown> {
  try {
    return decode(message.payload, message);
  } catch (error) {
    return refuse("decoder_failed", `The payload could not be read: ${describeError(error)}`.slice(0, 300));
  }
}

function listOf<Key, Value>(lists: Map<Key, Value[]>, key: Key): Value[] {
  const list = lists.get(key) ?? [];
  lists.set(key, list);
  return list;
}
