import { describeError } from "@tenfold/base";
import type { Endpoint } from "../endpoint.ts";
import { farewells, silent } from "../farewells.ts";
import { ticksOf } from "../limits.ts";
import type { Admission, Farewell, Identity, Link } from "../link.ts";
import type { Frame } from "./frames.ts";
import { passGate } from "./gate.ts";
import { judgeConnect } from "./judge-connect.ts";
import type { Connect, Version } from "./packets.ts";
import { versionAskedFor } from "./read-connect.ts";
import { reasons, type Violation } from "./reasons.ts";
import { Session } from "./session.ts";
import { acceptConnect, type Grant, type Peer, refuseConnect, writeDisconnect } from "./write.ts";

/** The bytes' way out, and the wish to read on. */
export type Wire = {
  send(bytes: Buffer): void;
  /** Sends what is left and `last`, and closes. */
  end(last?: Buffer): void;
  /** Reads on, if `mayRead` says so. */
  readOn(): void;
};

export type ConversationParts = {
  endpoint: Endpoint;
  wire: Wire;
  judge: () => Promise<Admission>;
  remoteAddress: string | undefined;
};

/** One MQTT connection from its first byte to its end: who may come in, and when it is over. How bytes travel is the wire's concern. */
export class Conversation {
  readonly #parts: ConversationParts;
  readonly #admission: Promise<Admission>;
  #phase: "waiting" | "judging" | "open" | "over" = "waiting";
  #link: Link | undefined;
  #session: Session | undefined;
  /** The certificate was refused; only the CONNECT is missing that the device could be told so in answer to. */
  #unwelcome = false;
  readonly #since: number;
  #heard: number;
  #judged: number;

  constructor(parts: ConversationParts) {
    this.#parts = parts;
    this.#since = this.#heard = this.#judged = parts.endpoint.tick();
    // The certificate is judged while CONNECT is still on its way.
    this.#admission = this.#admit().catch(notJudged);
    void this.#admission.then(({ is }) => {
      this.#unwelcome = is === "refuse";
    });
  }

  get over(): boolean {
    return this.#phase === "over";
  }

  /** The largest packet that may come now, bytes. */
  get limit(): number {
    const { limits } = this.#parts.endpoint;
    return this.#phase === "open" ? limits.maxPacketBytes : limits.firstPacketBytes;
  }

  /** Whether another packet may be taken now. Where not, the wire leaves the socket unread, and so the device waits. */
  mayRead(): boolean {
    if (this.#phase === "open") return this.#session?.uplink.mayRead() ?? false;
    return this.#phase === "waiting";
  }

  take(frame: Frame): void {
    const passed = passGate(frame, this.#session?.peer.version);
    this.#heard = this.#parts.endpoint.tick();
    if (passed.is === "bad") this.violate(passed.violation, frame);
    else if (passed.packet.is === "connect") this.#answer(passed.packet).catch((error: unknown) => this.broke(error));
    else this.#session?.handle(passed.packet);
  }

  /** The device broke the standard: it is told, as far as its version can be told anything, and the connection ends. */
  violate(violation: Violation, frame?: Frame): void {
    const version = frame && versionAskedFor(frame);
    if (this.#phase === "open") this.close(farewells.violation(violation));
    else this.#refuse(violation, version === undefined ? undefined : this.#writeRefusal(version, violation));
  }

  /** Called at each tick: whatever has a deadline is looked at here, so that no connection needs a timer of its own. */
  look(): void {
    if (this.over) return;
    const { endpoint, wire } = this.#parts;
    const tick = endpoint.tick();
    if (this.#session === undefined) {
      const { connectMs, unwelcomeMs } = endpoint.limits;
      if (tick - this.#since > ticksOf(this.#unwelcome ? unwelcomeMs : connectMs)) this.#refuse(farewells.connectTimeout);
      return;
    }
    const overdue = this.#overdue(this.#session, tick);
    if (overdue) this.close(overdue);
    if (tick - this.#judged > ticksOf(endpoint.limits.readmitMs)) this.#judgeAgain(tick);
    this.#session.look(tick);
    wire.readOn();
  }

  #overdue(session: Session, tick: number): Farewell | undefined {
    if (session.uplink.stalledFor(tick) > ticksOf(this.#parts.endpoint.limits.storeMs)) return farewells.storeSilent;
    // Where this side stopped reading, the device's silence is not its fault.
    if (session.unansweredFor(tick - this.#heard, tick) > ticksOf(this.#parts.endpoint.limits.maxUnansweredMs) && this.mayRead())
      return farewells.unanswered;
    return tick - this.#heard > session.keepAliveTicks && this.mayRead() ? farewells.keepAlive : undefined;
  }

  close(farewell: Farewell): void {
    if (this.over) return;
    const session = this.#session;
    if (session === undefined) {
      this.#refuse(farewell);
      return;
    }
    // [MQTT5 3.14.4] A device that said good-bye is not answered.
    const last = farewell === farewells.left ? undefined : writeDisconnect(session.peer, farewell.reason, farewell.detail);
    this.#finish(session, farewell);
    this.#parts.wire.end(last);
  }

  /** The wire is gone. */
  lost(): void {
    if (this.over) return;
    if (this.#session) this.#finish(this.#session, farewells.lost);
    else this.#leave();
  }

  /** Something failed here that should not: this connection ends, the others do not hear of it. */
  broke(error: unknown): void {
    this.#parts.endpoint.failed("link.failed", { device: this.#link?.identity.device, because: describeError(error) });
    this.close(farewells.broken);
  }

  /** Has the certificate judged again, because what would have told of a bar may have been lost. */
  judgeAgain(): void {
    if (this.#phase === "open") this.#judgeAgain(this.#parts.endpoint.tick());
  }

  /** Takes nothing more; resolves when every message taken was answered for. */
  async drained(): Promise<void> {
    await this.#session?.uplink.drained();
  }

  async #admit(): Promise<Admission> {
    const { endpoint, judge } = this.#parts;
    const admission = await endpoint.directory.admit(judge, (identity) => this.#linkOf(identity));
    // The device may have left before the answer came.
    if (this.over) this.#leave();
    return admission;
  }

  #linkOf(identity: Identity): Link {
    const isOpen = () => this.#phase === "open";
    const link: Link = {
      identity,
      transport: "mqtt",
      get open() {
        return isOpen();
      },
      close: (farewell) => this.close(farewell),
      offer: (topic, payload) => isOpen() && (this.#session?.offer(topic, payload) ?? false),
      refresh: (topic) => isOpen() && (this.#session?.refresh(topic) ?? false),
    };
    this.#link = link;
    return link;
  }

  async #answer(connect: Connect): Promise<void> {
    this.#phase = "judging";
    const admission = await this.#admission;
    // Meanwhile the device may have left, or been barred.
    if (this.over) return;
    const welcome = this.#judgeArrival(connect, admission);
    if (welcome.is === "refuse") {
      this.#refuse(welcome.violation, this.#writeRefusal(connect.version, welcome.violation, connect.maximumPacketSize));
      return;
    }
    this.#open(connect, welcome);
    this.#parts.wire.send(welcome.connack);
    this.#parts.wire.readOn();
  }

  #judgeArrival(connect: Connect, admission: Admission): Welcome | { is: "refuse"; violation: Violation } {
    const { limits, topics, openCount, budget, mayConnect, reconnectWithinS } = this.#parts.endpoint;
    if (admission.is === "refuse")
      return {
        is: "refuse",
        violation: { reason: passing.has(admission.because) ? reasons.serverUnavailable : reasons.notAuthorized, ...admission },
      };
    if (openCount() >= limits.maxConnections) return { is: "refuse", violation: full(limits.maxConnections) };
    // [M15] What is connected already waits for storage; nobody more is let in to wait with it.
    if (budget.full) return { is: "refuse", violation: behind };
    if (!mayConnect(admission.device)) return { is: "refuse", violation: tooOften };
    const verdict = judgeConnect(connect, admission.device, { limits, topics, reconnectWithinS: reconnectWithinS() });
    if (verdict.is === "refuse") return verdict;
    const peer: Peer = {
      version: connect.version,
      maximumPacketSize: connect.maximumPacketSize,
      wantsReasons: connect.wantsReasons,
    };
    const connack = acceptConnect(peer, verdict.grant);
    if (connack === undefined) return { is: "refuse", violation: noRoom };
    return { is: "accept", identity: admission, peer, connack, grant: verdict.grant, keepAliveS: verdict.keepAliveS };
  }

  #open(connect: Connect, { identity, peer, keepAliveS }: Welcome): void {
    const { endpoint, wire, remoteAddress } = this.#parts;
    // [MQTT-3.1.4-3] The older connection of the same device ends first.
    for (const link of endpoint.directory.of(identity.device))
      if (link !== this.#link && link.transport === "mqtt" && link.open) link.close(farewells.takenOver);
    const ways = {
      send: (bytes: Buffer) => wire.send(bytes),
      close: (farewell: Farewell) => this.close(farewell),
      readOn: () => wire.readOn(),
      broke: (error: unknown) => this.broke(error),
    };
    this.#session = new Session({ endpoint, identity, peer, remoteAddress, connect, keepAliveS, ...ways });
    this.#phase = "open";
    this.#heard = endpoint.tick();
    endpoint.opened(identity, remoteAddress);
    endpoint.contact(identity);
  }

  #refuse({ because, detail }: { because: string; detail: string }, last?: Buffer): void {
    if (this.over) return;
    const { endpoint, wire, remoteAddress } = this.#parts;
    this.#leave();
    endpoint.refused({ because, detail, transport: "mqtt", device: this.#link?.identity.device, remoteAddress });
    wire.end(last);
  }

  #writeRefusal(version: Version, violation: Violation, maximumPacketSize = Number.POSITIVE_INFINITY): Buffer {
    const reconnectWithinS = this.#parts.endpoint.reconnectWithinS();
    return refuseConnect(version, violation, { maximumPacketSize, reconnectWithinS });
  }

  #judgeAgain(tick: number): void {
    const { endpoint, judge } = this.#parts;
    this.#judged = tick;
    judge().then(
      (verdict) => verdict.is === "refuse" && this.close(farewells.barred(verdict.because, verdict.detail)),
      (error: unknown) =>
        endpoint.failed("link.admission_failed", { device: this.#link?.identity.device, because: describeError(error) }),
    );
  }

  #finish(session: Session, farewell: Farewell): void {
    this.#leave();
    this.#parts.endpoint.closed(session.identity, farewell);
    if (!silent(farewell)) session.execute();
  }

  #leave(): void {
    this.#phase = "over";
    if (this.#link) this.#parts.endpoint.directory.remove(this.#link);
  }
}

type Welcome = { is: "accept"; identity: Identity; peer: Peer; connack: Buffer; grant: Grant; keepAliveS: number };

/** Refusals that say nothing about the device: it may try again. */
const passing: ReadonlySet<string> = new Set(["admission_unavailable", "busy_revoking"]);

const full = (most: number): Violation => ({
  reason: reasons.quotaExceeded,
  because: "connections_full",
  detail: `The server holds its ${most} connections; try again after a random wait.`,
});
const behind: Violation = {
  reason: reasons.quotaExceeded,
  because: "storage_behind",
  detail: "Storage is behind; try again after a random wait.",
};
const tooOften: Violation = {
  reason: reasons.connectionRateExceeded,
  because: "connects_too_often",
  detail: "This device connects too often; wait before it does again.",
};
const noRoom: Violation = {
  reason: reasons.packetTooLarge,
  because: "packet_maximum_too_small",
  detail: "The device's maximum packet size leaves no room for CONNACK.",
};

const notJudged = (error: unknown): Admission => ({ is: "refuse", because: "admission_unavailable", detail: describeError(error) });
