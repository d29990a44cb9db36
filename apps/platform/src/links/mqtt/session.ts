import { describeError } from "@tenfold/base";
import { type DocumentTopic, downTopics } from "@tenfold/contracts";
import type { Endpoint, Pending } from "../endpoint.ts";
import { farewells } from "../farewells.ts";
import { ticksOf } from "../limits.ts";
import type { Farewell, Identity } from "../link.ts";
import { matches } from "../topics.ts";
import { Downlink } from "./downlink.ts";
import type { Acknowledgement, Connect, Disconnect, Packet, Subscribe, Unsubscribe, Will } from "./packets.ts";
import { reasons, type Violation } from "./reasons.ts";
import { Uplink } from "./uplink.ts";
import { type Peer, writePingresp, writePubcomp, writePublish, writePubrel, writeSuback, writeUnsuback } from "./write.ts";

export type SessionParts = {
  endpoint: Endpoint;
  identity: Identity;
  peer: Peer;
  remoteAddress: string | undefined;
  connect: Connect;
  /** As granted, seconds. */
  keepAliveS: number;
  send(bytes: Buffer): void;
  close(farewell: Farewell): void;
  readOn(): void;
  broke(error: unknown): void;
};

/** What a device is sent as soon as it listens: the documents, and the commands that wait for it. */
type Document = DocumentTopic | "commands";

/** An accepted connection: what each packet of the device brings about. It ends with its connection. */
export class Session {
  readonly identity: Identity;
  readonly peer: Peer;
  readonly uplink: Uplink;
  /** [MQTT-3.1.2-22] One and a half times the keep-alive. */
  readonly keepAliveTicks: number;
  readonly #parts: SessionParts;
  readonly #downlink: Downlink;
  readonly #pulling = new Map<string, "once" | "again">();
  #will: Will | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.identity = parts.identity;
    this.peer = parts.peer;
    this.keepAliveTicks = ticksOf(parts.keepAliveS * 1_500);
    this.uplink = new Uplink(parts);
    this.#downlink = new Downlink(parts.endpoint.limits, parts.connect.receiveMaximum);
    this.#will = parts.connect.will;
  }

  /** For how many ticks the device has owed an acknowledgement and said nothing else either. */
  unansweredFor(silentFor: number, tick: number): number {
    const since = this.#downlink.owedSince;
    return since === undefined ? 0 : Math.min(silentFor, tick - since);
  }

  handle(packet: Exclude<Packet, Connect>): void {
    this.uplink.spend();
    switch (packet.is) {
      case "publish":
        this.uplink.publish(packet);
        break;
      case "puback":
      case "pubrec":
      case "pubrel":
      case "pubcomp":
        this.#acknowledged(packet);
        break;
      case "subscribe":
        this.#subscribe(packet);
        break;
      case "unsubscribe":
        this.#unsubscribe(packet);
        break;
      case "pingreq":
        this.#parts.endpoint.contact(this.identity);
        this.#parts.send(writePingresp());
        break;
      case "disconnect":
        this.#left(packet);
        break;
    }
  }

  /**
   * Sends a document to a device that listens for it; false when it does not, or when too much waits for it already. While what is current for the
   * topic is being read, that answer may be older than this document and would follow it: it is read once more instead, and the newest goes last.
   */
  offer(topic: string, payload: string): boolean {
    if (!this.#downlink.hears(topic)) return false;
    const document = this.#documentOf(topic);
    if (document === undefined || !this.#pulling.has(document)) return this.#offer(topic, payload);
    this.#pulling.set(document, "again");
    return true;
  }

  #documentOf(topic: string): DocumentTopic | undefined {
    const { topics } = this.#parts.endpoint;
    return downTopics.find((rest) => topics.address(this.identity.device, rest) === topic);
  }

  #offer(topic: string, payload: string): boolean {
    if (!this.#downlink.hears(topic)) return false;
    const taken = this.#downlink.offer({ topic, payload });
    this.#sendDown();
    return taken;
  }

  /** Sends what is current for a topic, if the device listens for it: somebody else has changed it. */
  pull(topic: string): void {
    const document: Document | undefined = topic.startsWith("commands/") ? "commands" : downTopics.find((one) => one === topic);
    if (document !== undefined) this.#pull(document).catch(this.#parts.broke);
  }

  /** The connection ended without a word of the device. */
  execute(): void {
    if (this.#will) this.uplink.testament(this.#will);
    this.#will = undefined;
  }

  #acknowledged({ is, packetId, reason }: Acknowledgement): void {
    const { send } = this.#parts;
    // [MQTT-4.3.2] What was sent at QoS 1 is answered by PUBACK and by nothing else.
    if (is !== "puback" && this.#downlink.awaits(packetId)) this.#violate(`${is.toUpperCase()} for a message sent at QoS 1.`);
    // [MQTT5 4.3.3] A refusing PUBREC ends the matter.
    else if (is === "pubrec" && reason < refused) send(writePubrel(packetId));
    else if (is === "pubrel") send(writePubcomp(packetId));
    else {
      const topic = this.#downlink.acknowledge(packetId);
      // [MQTT5 3.4.2.1] A PUBACK that refuses proves no delivery.
      if (topic !== undefined && is === "puback" && reason < refused) this.#parts.endpoint.delivered(this.identity, topic);
      this.#sendDown();
    }
  }

  #subscribe(packet: Subscribe): void {
    const { topics } = this.#parts.endpoint;
    const { device } = this.identity;
    const granted = this.#downlink.subscribe(packet, { device, version: this.peer.version, topics });
    this.#parts.send(writeSuback(this.peer, packet.packetId, granted));
    const heard = packet.filters.filter((_, i) => (granted[i] ?? refused) < refused);
    for (const rest of downTopics)
      if (heard.some(({ filter }) => matches(filter, topics.address(device, rest)))) this.#pull(rest).catch(this.#parts.broke);
    const commands = topics.address(device, "commands/");
    if (heard.some(({ filter }) => filter.startsWith(commands) || matches(filter, `${commands}any`)))
      this.#pull("commands").catch(this.#parts.broke);
  }

  #unsubscribe({ packetId, filters }: Unsubscribe): void {
    this.#parts.send(writeUnsuback(this.peer, packetId, this.#downlink.unsubscribe(filters)));
  }

  #left({ reason, sessionExpiryS }: Disconnect): void {
    // [MQTT5 3.14.2.2.2]
    if (sessionExpiryS > 0 && this.#parts.connect.sessionExpiryS === 0) {
      this.#violate("A session expiry in DISCONNECT after none in CONNECT.");
      return;
    }
    // [MQTT5 3.14.2.1] Any reason but 0 asks for the will all the same.
    if (reason !== 0) this.execute();
    this.#parts.close(farewells.left);
  }

  /** Asks what is current for a topic and sends it. Subscribing again while the question is under way asks once more, not once each. */
  async #pull(rest: Document): Promise<void> {
    if (this.#pulling.has(rest)) return void this.#pulling.set(rest, "again");
    do {
      this.#pulling.set(rest, "once");
      await this.#pullOnce(rest);
    } while (this.#pulling.get(rest) === "again");
    this.#pulling.delete(rest);
  }

  async #pullOnce(rest: Document): Promise<void> {
    const { endpoint, close } = this.#parts;
    const { device } = this.identity;
    try {
      for (const { topic, payload } of await this.#current(rest)) this.#offer(endpoint.topics.address(device, topic), payload);
    } catch (error) {
      endpoint.failed("link.downlink_failed", { device, topic: rest, because: describeError(error) });
      close(farewells.unavailable("What is meant for this device cannot be read now; connect again."));
    }
  }

  async #current(rest: Document): Promise<readonly Pending[]> {
    const { endpoint } = this.#parts;
    const { device, scope } = this.identity;
    if (rest === "commands") return endpoint.pending(device, scope);
    const payload = await endpoint.downlink(device, scope, rest);
    return payload === undefined ? [] : [{ topic: rest, payload }];
  }

  #sendDown(): void {
    const { endpoint, send } = this.#parts;
    for (let down = this.#downlink.take(endpoint.tick()); down !== undefined; down = this.#downlink.take(endpoint.tick())) {
      const packet = writePublish(this.peer, down);
      if (packet) send(packet);
      else {
        this.#downlink.acknowledge(down.packetId);
        endpoint.failed("link.message_too_large", {
          device: this.identity.device,
          topic: down.topic,
          takes: this.peer.maximumPacketSize,
        });
      }
    }
  }

  #violate(detail: string): void {
    const violation: Violation = { reason: reasons.protocolError, because: "protocol_error", detail };
    this.#parts.close(farewells.violation(violation));
  }
}

/** SUBACK codes from here on are refusals. */
const refused = 0x80;
