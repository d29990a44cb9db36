import type { Endpoint } from "../endpoint.ts";
import { farewells } from "../farewells.ts";
import { ticksOf } from "../limits.ts";
import type { Farewell, Identity } from "../link.ts";
import { Documents } from "./documents.ts";
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

/** An accepted connection: what each packet of the device brings about. It ends with its connection. */
export class Session {
  readonly identity: Identity;
  readonly peer: Peer;
  readonly uplink: Uplink;
  /** [MQTT-3.1.2-22] One and a half times the keep-alive. */
  readonly keepAliveTicks: number;
  readonly #parts: SessionParts;
  readonly #downlink: Downlink;
  readonly #documents: Documents;
  #will: Will | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.identity = parts.identity;
    this.peer = parts.peer;
    this.keepAliveTicks = ticksOf(parts.keepAliveS * 1_500);
    this.uplink = new Uplink(parts);
    this.#downlink = new Downlink(parts.endpoint.limits, parts.connect.receiveMaximum);
    this.#documents = new Documents({
      ...parts,
      hears: (topic) => this.#downlink.hears(topic),
      offer: (topic, payload) => void this.offer(topic, payload),
    });
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

  /** Sends a message to a device that listens for it; false when it does not, or when too much waits for it already. */
  offer(topic: string, payload: string): boolean {
    if (!this.#downlink.hears(topic)) return false;
    const taken = this.#downlink.offer({ topic, payload });
    this.#sendDown();
    return taken;
  }

  /** What stands at a topic below the device's own has changed: it is read and sent. False where the device does not listen for it. */
  refresh(topic: string): boolean {
    return this.#documents.refresh(topic);
  }

  /** Called at each tick. */
  look(tick: number): void {
    this.#documents.look(tick);
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
    this.#documents.heard(packet.filters.filter((_, i) => (granted[i] ?? refused) < refused).map(({ filter }) => filter));
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
