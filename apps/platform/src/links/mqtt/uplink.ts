import { describeError } from "@tenfold/base";
import type { UpChannel } from "@tenfold/contracts";
import type { Endpoint } from "../endpoint.ts";
import { farewells } from "../farewells.ts";
import { ticksOf } from "../limits.ts";
import type { Farewell, Identity, Received, UpMessage } from "../link.ts";
import type { Sequence } from "../sequence.ts";
import { type Aliases, judgePublish, type KnownTopics, type Own } from "./judge-publish.ts";
import { Pace } from "./pace.ts";
import type { Publish, Will } from "./packets.ts";
import { reasons, type Violation } from "./reasons.ts";
import { type Peer, writeNotStored, writeStored } from "./write.ts";

export type UplinkParts = {
  endpoint: Endpoint;
  identity: Identity;
  peer: Peer;
  remoteAddress: string | undefined;
  send(bytes: Buffer): void;
  close(farewell: Farewell): void;
  readOn(): void;
  broke(error: unknown): void;
};

/** Messages whose answer is one and the same, oldest first. */
type Waiting = { answer: Promise<Received>; channel: UpChannel; publishes: Publish[] };

/** One device's way up: each message is handed to the intake, and acknowledged when the intake says that it is durable. */
export class Uplink {
  readonly #parts: UplinkParts;
  readonly #pace: Pace;
  readonly #aliases: Aliases = new Map();
  readonly #known: KnownTopics = new Map();
  #underWay = 0;
  #bytesUnderWay = 0;
  #unacknowledged = 0;
  /** The tick at which storage last answered, or had nothing to answer. */
  #answered: number;
  #drained: (() => void) | undefined;
  /** The tick at which this device's contact was last told. */
  #contacted = Number.NEGATIVE_INFINITY;
  /** What was handed over last, as long as it waits for its answer. */
  #latest: Waiting | undefined;

  constructor(parts: UplinkParts) {
    this.#parts = parts;
    this.#pace = new Pace(parts.endpoint.limits, parts.endpoint.tick());
    this.#answered = parts.endpoint.tick();
  }

  mayRead(): boolean {
    const { limits, budget, tick } = this.#parts.endpoint;
    const room = this.#underWay < limits.maxUnderWay && this.#bytesUnderWay < limits.maxUnderWayBytes && !budget.full;
    return room && this.#drained === undefined && this.#pace.allows(tick());
  }

  /** Every packet counts against the device's pace. */
  spend(): void {
    this.#pace.spend();
  }

  /** For how many ticks storage has owed an answer. */
  stalledFor(tick: number): number {
    return this.#underWay === 0 ? 0 : tick - this.#answered;
  }

  publish(publish: Publish): void {
    const { endpoint, identity, peer } = this.#parts;
    const { limits, topics } = endpoint;
    const verdict = judgePublish(publish, {
      device: identity.device,
      version: peer.version,
      limits,
      topics,
      aliases: this.#aliases,
      known: this.#known,
      unacknowledged: this.#unacknowledged,
    });
    if (verdict.is === "message") {
      this.#store(publish, verdict.to, verdict.sequence);
      return;
    }
    endpoint.counted({ transport: "mqtt", channel: "none", result: "refused" }, 1);
    endpoint.inputRefused(identity, verdict.violation);
    if (verdict.is === "close") this.#parts.close(farewells.violation(verdict.violation));
    else if (publish.qos === 1) this.#parts.send(writeNotStored(peer, publish.packetId, verdict.violation));
  }

  /** The will of a device that left without a word: a message like any other, but nobody is there to hear what became of it. */
  testament({ topic, payload }: Will): void {
    const { endpoint, identity } = this.#parts;
    const found = endpoint.topics.up(identity.device, topic);
    if (found.is !== "own") return;
    const message = this.#message(payload, found);
    endpoint.receive(message).then(
      (received) => endpoint.counted({ transport: "mqtt", channel: found.channel, result: received.is }, 1),
      (error: unknown) => endpoint.failed("link.will_lost", { device: identity.device, because: describeError(error) }),
    );
  }

  /** Takes nothing more; resolves when everything taken was answered for. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#drained = resolve;
      if (this.#underWay === 0) resolve();
    });
  }

  #store(publish: Publish, to: Own, sequence?: Sequence): void {
    const { endpoint } = this.#parts;
    this.#begin(publish.payload.length, publish.qos);
    this.#heard();
    const answer = endpoint.receive(this.#message(publish.payload, to, sequence));
    const last = this.#latest;
    if (last?.answer === answer && last.channel === to.channel) {
      last.publishes.push(publish);
      return;
    }
    const waiting = { answer, channel: to.channel, publishes: [publish] };
    this.#latest = waiting;
    answer.then(
      (received) => this.#settle(waiting, received),
      (error: unknown) => this.#settle(waiting, this.#unanswered(error)),
    );
  }

  /** Asked for every message, so it remembers for itself when asking further would change nothing. */
  #heard(): void {
    const { endpoint, identity } = this.#parts;
    const tick = endpoint.tick();
    if (tick - this.#contacted < ticksOf(endpoint.limits.contactMs / 4)) return;
    this.#contacted = tick;
    endpoint.contact(identity);
  }

  #settle(waiting: Waiting, received: Received): void {
    try {
      this.#settleAll(waiting, received);
    } catch (error) {
      this.#parts.broke(error);
    }
  }

  /** Answers for all that became durable together, in the order in which they came [MQTT-4.6.0-2]. */
  #settleAll(waiting: Waiting, received: Received): void {
    if (this.#latest === waiting) this.#latest = undefined;
    const { channel, publishes } = waiting;
    for (const { payload, qos } of publishes) this.#end(payload.length, qos);
    this.#parts.endpoint.counted({ transport: "mqtt", channel, result: received.is }, publishes.length);
    this.#answer(publishes, received);
    if (this.#underWay === 0) this.#drained?.();
    this.#parts.readOn();
  }

  #message(payload: Buffer, { channel, id }: Own, sequence?: Sequence): UpMessage {
    const { endpoint, identity, remoteAddress } = this.#parts;
    const { device, scope } = identity;
    const message: UpMessage = { device, scope, channel, payload, receivedAt: endpoint.now(), transport: "mqtt", connection: this };
    // Not by spreading: one is made for every message that any device sends.
    if (id !== undefined) message.id = id;
    if (sequence !== undefined) message.sequence = sequence;
    if (remoteAddress !== undefined) message.remoteAddress = remoteAddress;
    if (channel === "renewal") message.fingerprint = identity.fingerprint;
    return message;
  }

  #begin(bytes: number, qos: number): void {
    const { budget, tick } = this.#parts.endpoint;
    if (this.#underWay === 0) this.#answered = tick();
    this.#underWay += 1;
    this.#bytesUnderWay += bytes;
    if (qos === 1) this.#unacknowledged += 1;
    budget.take(bytes);
  }

  #end(bytes: number, qos: number): void {
    const { budget, tick } = this.#parts.endpoint;
    this.#answered = tick();
    this.#underWay -= 1;
    this.#bytesUnderWay -= bytes;
    if (qos === 1) this.#unacknowledged -= 1;
    budget.give(bytes);
  }

  #unanswered(error: unknown): Received {
    this.#parts.endpoint.failed("link.intake_failed", { device: this.#parts.identity.device, because: describeError(error) });
    return { is: "unavailable", detail: "Messages cannot be stored now; send them again." };
  }

  #answer(publishes: readonly Publish[], received: Received): void {
    const { peer, send, close } = this.#parts;
    // Unacknowledged, the device keeps it and sends it again: closing tells a version 3.1.1 device so, and a version 5 one at once.
    if (received.is === "unavailable") close(farewells.unavailable(received.detail));
    else if (received.is === "stored") {
      const ids: number[] = [];
      for (const { qos, packetId } of publishes) if (qos === 1) ids.push(packetId);
      if (ids.length > 0) send(writeStored(ids));
    } else for (const { qos, packetId } of publishes) if (qos === 1) send(writeNotStored(peer, packetId, violationOf(received)));
  }
}

function violationOf({ because, detail }: { because: string; detail: string }): Violation {
  return { reason: reasons.payloadFormatInvalid, because, detail };
}
