import { describeError, Problem, type Scope } from "@tenfold/base";
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

export type Intake = {
  /** Resolves `stored` only when the message is on the disk. Never rejects. */
  receive(message: UpMessage): Promise<Received>;
  /** Several consumers may share a channel; the message is refused when one of them cannot read it. Register before `start`. */
  consume<Value>(channel: UpChannel, consumer: Consumer<Value>): void;
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
  metrics: Pick<Metrics, "counter" | "gauge">;
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
  const backlog = metrics.gauge("tenfold_intake_backlog_frames", "Messages that are durable and not yet applied.", []);
  const aliases = createAliases();
  let consumption: Consumption | undefined;

  const receive = async (message: UpMessage): Promise<Received> => {
    const result = await judge(message);
    messages.inc({ transport: message.transport, channel: message.channel, result: result.is });
    if (result.is === "refused")
      onRefused({
        device: message.device,
        scope: message.scope,
        at: message.receivedAt,
        because: result.because,
        detail: result.detail,
      });
    return result;
  };

  const judge = async (given: UpMessage): Promise<Received> => {
    const message = aliases.resolve(given);
    const read = examine(message, channels.get(message.channel) ?? []);
    if (read.is === "refused") return read;
    try {
      await journal.append(encodeFrame(read.sequence ? { ...message, sequence: read.sequence } : message));
      return { is: "stored" };
    } catch (error) {
      return { is: "unavailable", detail: error instanceof Problem ? error.message : describeError(error) };
    }
  };

  const apply = async ({ token, frames, again }: Batch): Promise<void> => {
    const messages: UpMessage[] = [];
    for (const frame of frames) {
      const message = decodeFrame(frame);
      if (message === undefined) log.error("intake.frame_unreadable", { token, bytes: frame.length });
      else messages.push(message);
    }
    const byChannel = new Map<UpChannel, UpMessage[]>();
    for (const message of sift ? await sift(messages, token) : messages) listOf(byChannel, message.channel).push(message);
    const work = [...byChannel].flatMap(([channel, list]) =>
      (channels.get(channel) ?? []).map((consumer) => hand(consumer, list, { token, again })),
    );
    // All are waited for, so that none is still at work when the batch is tried again.
    const failed = (await Promise.allSettled(work)).find((result) => result.status === "rejected");
    backlog.set(journal.backlog().frames);
    if (failed) throw failed.reason;
  };

  const hand = async (consumer: Consumer<unknown>, list: UpMessage[], { token, again }: Applying): Promise<void> => {
    const items: Item<unknown>[] = [];
    const keep = async (message: UpMessage, because: string) => {
      aside.inc({ consumer: consumer.name });
      log.error("intake.put_aside", { device: message.device, channel: message.channel, consumer: consumer.name, because });
      await putAside({ message, consumer: consumer.name, token, because });
    };
    for (const message of list) {
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
    start() {
      consumption ??= journal.consume({ ...usualBatches, ...batches, apply });
    },
    caughtUp: async () => consumption?.caughtUp(),
    pressure: journal.pressure,
    ready: journal.ready,
    stop: async () => consumption?.stop(),
  };
}

type Examined = { is: "ok"; sequence: Sequence | undefined } | (Received & { is: "refused" });

/** Whether every consumer can read the message; and its number, where it stands in the payload. */
function examine(message: UpMessage, consumers: readonly Consumer<unknown>[]): Examined {
  if (consumers.length === 0)
    return refuse("channel_unsupported", `Nothing here takes messages of the channel "${message.channel}".`);
  if (message.payload.length > limits.payloadBytes)
    return refuse("payload_too_large", `A payload may have ${limits.payloadBytes} bytes, this one has ${message.payload.length}.`);
  let { sequence } = message;
  for (const [place, { decode }] of consumers.entries()) {
    // Consumers often share a decoder; what it says once holds for all of them.
    if (consumers.findIndex((other) => other.decode === decode) < place) continue;
    const read = decodeSafely({ decode }, message);
    if (read.is === "refused") return read;
    sequence ??= read.sequence;
  }
  return { is: "ok", sequence };
}

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
