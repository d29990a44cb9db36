import type { Limits } from "../limits.ts";
import { matches, type TopicRule } from "../topics.ts";
import { fits } from "./judge-publish.ts";
import type { Subscribe, Version } from "./packets.ts";
import { reasons } from "./reasons.ts";
import type { Down } from "./write.ts";

type Subscription = { qos: 0 | 1; identifier: number };
type Waiting = { topic: string; payload: string };

/**
 * What one device is subscribed to, and what is on its way to it. Nothing here outlives the connection: whatever was not acknowledged
 * is asked for again, in its current form, when the device subscribes next time.
 */
export class Downlink {
  readonly #limits: Limits;
  readonly #atOnce: number;
  readonly #subscriptions = new Map<string, Subscription>();
  /** Packet ids, each with its topic and the tick at which its message went out; oldest first. */
  readonly #unacknowledged = new Map<number, { topic: string; tick: number }>();
  readonly #waiting = new Map<string, Waiting>();
  #lastId = 0;

  constructor(limits: Limits, receiveMaximum: number) {
    this.#limits = limits;
    this.#atOnce = Math.min(limits.maxDownUnacknowledged, receiveMaximum);
  }

  /** Grants or refuses each filter; the codes are those of SUBACK [MQTT 3.9.3]. */
  subscribe({ filters, identifier }: Subscribe, who: { device: string; version: Version; topics: TopicRule }): number[] {
    return filters.map(({ filter, qos }) => {
      const refusal = this.#refusal(filter, who);
      if (refusal !== undefined) return who.version === 5 ? refusal : 0x80;
      const granted = qos === 0 ? 0 : 1;
      this.#subscriptions.set(filter, { qos: granted, identifier });
      return granted;
    });
  }

  #refusal(filter: string, { device, topics }: { device: string; topics: TopicRule }): number | undefined {
    if (filter.startsWith("$share/")) return reasons.sharedSubscriptionsNotSupported;
    if (!fits(filter, this.#limits)) return reasons.topicFilterInvalid;
    if (filter.startsWith("$") || !topics.down(device, filter)) return reasons.notAuthorized;
    if (!this.#subscriptions.has(filter) && this.#subscriptions.size >= this.#limits.maxSubscriptions) return reasons.quotaExceeded;
    return undefined;
  }

  /** The codes are those of UNSUBACK [MQTT5 3.11.3]. */
  unsubscribe(filters: string[]): number[] {
    return filters.map((filter) => (this.#subscriptions.delete(filter) ? reasons.success : reasons.noSubscriptionExisted));
  }

  hears(topic: string): boolean {
    for (const filter of this.#subscriptions.keys()) if (matches(filter, topic)) return true;
    return false;
  }

  /** Takes what is to be sent; an older payload that still waits for the same topic is replaced. False when nothing more can wait. */
  offer(waiting: Waiting): boolean {
    if (!this.#waiting.has(waiting.topic) && this.#waiting.size >= this.#limits.maxDownWaiting) return false;
    this.#waiting.set(waiting.topic, waiting);
    return true;
  }

  /** The tick at which the oldest message went out that is not yet acknowledged. */
  get owedSince(): number | undefined {
    const [oldest] = this.#unacknowledged.values();
    return oldest?.tick;
  }

  /** The next message that may go out now. Each is told once; its packet id is in use until `acknowledge`. */
  take(tick: number): Down | undefined {
    for (const [topic, { payload }] of this.#waiting) {
      if (this.#unacknowledged.size >= this.#atOnce) return undefined;
      this.#waiting.delete(topic);
      const heard = [...this.#subscriptions].filter(([filter]) => matches(filter, topic)).map(([, subscription]) => subscription);
      if (heard.length === 0) continue;
      const qos = heard.some((subscription) => subscription.qos === 1) ? 1 : 0;
      const identifiers = heard.map(({ identifier }) => identifier).filter((identifier) => identifier > 0);
      return { topic, payload, qos, packetId: qos === 1 ? this.#newId({ topic, tick }) : 0, identifiers };
    }
    return undefined;
  }

  /** Whether a message with this packet id waits for its acknowledgement. */
  awaits(packetId: number): boolean {
    return this.#unacknowledged.has(packetId);
  }

  /** The packet id is free again. Says on which topic the message was; undefined when none waited for this acknowledgement. */
  acknowledge(packetId: number): string | undefined {
    const topic = this.#unacknowledged.get(packetId)?.topic;
    this.#unacknowledged.delete(packetId);
    return topic;
  }

  #newId(sent: { topic: string; tick: number }): number {
    do this.#lastId = (this.#lastId % 65_535) + 1;
    while (this.#unacknowledged.has(this.#lastId));
    this.#unacknowledged.set(this.#lastId, sent);
    return this.#lastId;
  }
}
