import type { Limits } from "../limits.ts";
import { type Sequence, sequenceOf, unreadableSequence } from "../sequence.ts";
import type { TopicRule } from "../topics.ts";
import type { Publish, Version } from "./packets.ts";
import { reasons, type Violation } from "./reasons.ts";
import { levelsOf } from "./topic-syntax.ts";

export type PublishVerdict =
  | { is: "message"; to: Own; sequence?: Sequence }
  /** Acknowledged with the violation, and not stored; the connection goes on. */
  | { is: "refuse"; violation: Violation }
  | { is: "close"; violation: Violation };

/** What topics that this connection has used mean. A device uses the same few for as long as it lives. */
export type KnownTopics = Map<string, ReturnType<TopicRule["up"]>>;
export type Own = ReturnType<TopicRule["up"]> & { is: "own" };
const mostKnown = 16;

/** The topics that this connection has given numbers to [MQTT5 3.3.2.3.4]. Empty in MQTT 3.1.1. */
export type Aliases = Map<number, string>;

type Context = {
  device: string;
  version: Version;
  limits: Limits;
  topics: TopicRule;
  aliases: Aliases;
  known: KnownTopics;
  unacknowledged: number;
};

/** What becomes of a PUBLISH that the gate let through. Records the alias it sets. */
export function judgePublish(publish: Publish, context: Context): PublishVerdict {
  const { version, limits } = context;
  if (publish.qos === 2)
    return close(reasons.qosNotSupported, "qos_not_offered", "QoS 2 is not offered: QoS 1 and a sequence number say the same.");
  // [MQTT-3.2.2-14] In 3.1.1 nothing tells a client so; there the message is taken and its flag means nothing.
  if (publish.retain && version === 5)
    return close(reasons.retainNotSupported, "retain_not_offered", "Retained messages are not offered.");
  // [MQTT-3.3.4-9] In 3.1.1 the socket is left unread instead.
  if (publish.qos === 1 && version === 5 && context.unacknowledged >= limits.receiveMaximum) {
    return close(
      reasons.receiveMaximumExceeded,
      "receive_maximum_exceeded",
      `More than ${limits.receiveMaximum} messages without acknowledgement.`,
    );
  }
  const topic = topicOf(publish, context);
  return typeof topic === "string" ? judgeTopic(topic, publish, context) : topic;
}

function topicOf({ topic, alias }: Publish, { aliases, limits }: Context): string | PublishVerdict {
  if (alias > limits.topicAliasMaximum)
    return close(reasons.topicAliasInvalid, "topic_alias_invalid", `Topic alias ${alias} is above ${limits.topicAliasMaximum}.`);
  if (topic === "")
    return aliases.get(alias) ?? close(reasons.protocolError, "topic_alias_invalid", `Topic alias ${alias} was never set.`);
  if (alias > 0) aliases.set(alias, topic);
  return topic;
}

function judgeTopic(topic: string, publish: Publish, { device, version, limits, topics, known }: Context): PublishVerdict {
  let found = known.get(topic);
  if (found === undefined) {
    found = fits(topic, limits) ? topics.up(device, topic) : { is: "unknown" };
    if (known.size < mostKnown) known.set(topic, found);
  }
  if (found.is === "own") {
    const sequence = publish.pairs && sequenceOf(publish.pairs.get("seq"), publish.pairs.get("boot"));
    if (sequence === "unreadable") return { is: "refuse", violation: uncounted };
    return sequence ? { is: "message", to: found, sequence } : { is: "message", to: found };
  }
  const violation =
    found.is === "foreign" ? foreign : { ...unknown, detail: `No such topic of a device: "${topic.slice(0, 80)}".` };
  // A version 5 device reads the reason in its PUBACK. Where there is none to send, only closing makes a stranger's topic heard of;
  // an unknown topic of its own is a mistake that would come again for ever, so 3.1.1 acknowledges it.
  const canTell = version === 5 && publish.qos === 1;
  return found.is === "foreign" && !canTell ? { is: "close", violation } : { is: "refuse", violation };
}

/** [M11] */
export const fits = (topic: string, limits: Limits): boolean =>
  Buffer.byteLength(topic) <= limits.maxTopicBytes && levelsOf(topic) <= limits.maxTopicLevels;

const foreign: Violation = {
  reason: reasons.notAuthorized,
  because: "topic_foreign",
  detail: "A device publishes below devices/ and its own id only.",
};
const uncounted: Violation = { reason: reasons.payloadFormatInvalid, because: "sequence_invalid", detail: unreadableSequence };
const unknown = { reason: reasons.topicNameInvalid, because: "topic_unknown" };

const close = (reason: number, because: string, detail: string): PublishVerdict => ({
  is: "close",
  violation: { reason, because, detail },
});
