import { answerTopics, downTopics, parseUpTopic, topicOf, type UpChannel } from "@tenfold/contracts";

/**
 * Which topics are a device's own. The product has one rule (`ownTopics`); the conformance runner brings another, because its data
 * was written for a general broker.
 */
export type TopicRule = {
  /** Where a message on this topic goes; `foreign` where the topic is not the device's own, `unknown` where it is, but means nothing. */
  up(device: string, topic: string): { is: "own"; channel: UpChannel; id?: string } | { is: "foreign" } | { is: "unknown" };
  /** Whether the device may subscribe to this filter. */
  down(device: string, filter: string): boolean;
  /** The full topic of something sent down. */
  address(device: string, rest: string): string;
};

/** [M8, M10] A device publishes and subscribes below `devices/{its own id}/` only. */
export const ownTopics: TopicRule = {
  up(device, topic) {
    const prefix = topicOf(device, "");
    if (!topic.startsWith(prefix)) return { is: "foreign" };
    const read = parseUpTopic(topic.slice(prefix.length));
    return read === undefined ? { is: "unknown" } : { is: "own", ...read };
  },
  down(device, filter) {
    const prefix = topicOf(device, "");
    return (
      filter.startsWith(prefix) &&
      downFilters.has(filter.slice(prefix.length).replace(/^commands\/[A-Za-z0-9_-]{1,64}$/, "commands/+"))
    );
  },
  address: topicOf,
};

const downFilters: ReadonlySet<string> = new Set([
  ...downTopics,
  ...answerTopics,
  "commands/+",
  "commands/#",
  "deployments/#",
  "state/#",
  "#",
]);

/** Whether a topic falls under a filter [MQTT-4.7]. Both are taken to be well-formed. */
export function matches(filter: string, topic: string): boolean {
  if (filter === topic) return true;
  const [wanted, given] = [filter.split("/"), topic.split("/")];
  for (const [i, level] of wanted.entries()) {
    if (level === "#") return true;
    if (i >= given.length || (level !== "+" && level !== given[i])) return false;
  }
  return wanted.length === given.length;
}
