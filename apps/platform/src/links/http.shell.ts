import type { TLSSocket } from "node:tls";
import { describeError } from "@tenfold/base";
import type { Endpoint } from "./endpoint.ts";
import { linkProblems } from "./errors.ts";
import { ticksOf } from "./limits.ts";
import type { Admission, Identity, Link, Received } from "./link.ts";
import { type Judges, judgeSocket } from "./mqtt/listener.shell.ts";
import { Pace } from "./mqtt/pace.ts";

type Known = { link: Link; identity: Identity; judgedAt: number; pace: Pace };

/** The devices behind HTTPS connections. A connection belongs to one certificate; it is listed like an MQTT one, and closed like one. */
export class HttpLinks {
  readonly #endpoint: Endpoint;
  readonly #judges: Judges;
  readonly #known = new WeakMap<TLSSocket, Known>();
  /** Judgements under way: requests that come together are judged together, and spend of one pace. */
  readonly #judging = new WeakMap<TLSSocket, Promise<Known>>();

  constructor(endpoint: Endpoint, judges: Judges) {
    this.#endpoint = endpoint;
    this.#judges = judges;
  }

  /** Who asks. Throws where the certificate is missing or not admitted, or where the device asks too often. */
  async admit(socket: TLSSocket): Promise<Identity> {
    const known = this.#known.get(socket);
    const tick = this.#endpoint.tick();
    const fresh =
      known && tick - known.judgedAt <= ticksOf(this.#endpoint.limits.verdictMs) ? known : await this.#judgeOnce(socket, known);
    if (!fresh.pace.allows(tick))
      throw linkProblems.device_too_fast(
        `Device "${fresh.identity.device}" sends faster than ${this.#endpoint.limits.ratePerS} requests a second.`,
        { retryAfterS: 1 },
      );
    fresh.pace.spend();
    return fresh.identity;
  }

  /** Counts so many more messages of the connection against its device's pace. */
  spend(socket: TLSSocket, messages: number): void {
    const known = this.#known.get(socket);
    for (let i = 0; i < messages; i++) known?.pace.spend();
  }

  /** Hands a message on, within the bytes that all connections together may have under way. */
  async store(bytes: number, receive: () => Promise<Received>): Promise<Received> {
    const { budget, limits, failed } = this.#endpoint;
    if (budget.full) return { is: "unavailable", detail: "Too much waits to be stored; send it again." };
    budget.take(bytes);
    try {
      return await withDeadline(receive(), limits.storeMs);
    } catch (error) {
      failed("link.intake_failed", { because: describeError(error) });
      return { is: "unavailable", detail: "Messages cannot be stored now; send it again." };
    } finally {
      budget.give(bytes);
    }
  }

  async #judgeOnce(socket: TLSSocket, known: Known | undefined): Promise<Known> {
    const judging = this.#judging.get(socket) ?? this.#judge(socket, known).finally(() => this.#judging.delete(socket));
    this.#judging.set(socket, judging);
    return judging;
  }

  async #judge(socket: TLSSocket, known: Known | undefined): Promise<Known> {
    const { directory } = this.#endpoint;
    const admission = await this.#ask(socket, known);
    if (admission.is === "refuse") return this.#refuse(socket, admission);
    const judged = this.#known.get(socket);
    // The socket was listed under the identity that was just admitted, unless it closed in the meantime.
    if (judged === undefined || socket.destroyed) {
      if (judged) directory.remove(judged.link);
      throw linkProblems.device_not_admitted("The connection was closed.");
    }
    return judged;
  }

  async #ask(socket: TLSSocket, known: Known | undefined): Promise<Admission> {
    const { remembered, fresh } = this.#judges;
    // What is remembered may stand for a new connection, not for a verdict that has grown old.
    const judge = judgeSocket(socket, { remembered: known ? fresh : remembered, fresh });
    try {
      return await withDeadline(
        this.#endpoint.directory.admit(judge, (identity) => this.#list(socket, identity, known)),
        this.#endpoint.limits.connectMs,
      );
    } catch (error) {
      this.#endpoint.failed("link.admission_failed", { because: describeError(error) });
      throw linkProblems.intake_unavailable("Certificates cannot be judged now; try again.", { retryAfterS: 5, cause: error });
    }
  }

  #list(socket: TLSSocket, identity: Identity, known: Known | undefined): Link {
    const { limits, directory } = this.#endpoint;
    const tick = this.#endpoint.tick();
    const link: Link = known?.link ?? {
      identity,
      transport: "https",
      open: true,
      close: () => socket.destroy(),
      offer: () => false,
      refresh: () => false,
    };
    this.#known.set(socket, { link, identity, judgedAt: tick, pace: known?.pace ?? new Pace(limits, tick) });
    if (known === undefined) socket.once("close", () => directory.remove(link));
    return link;
  }

  #refuse(socket: TLSSocket, { because, detail }: { because: string; detail: string }): never {
    const known = this.#known.get(socket);
    this.#known.delete(socket);
    if (known) this.#endpoint.directory.remove(known.link);
    this.#endpoint.refused({
      because,
      detail,
      transport: "https",
      device: known?.identity.device,
      remoteAddress: socket.remoteAddress,
    });
    if (because === "certificate_missing")
      throw linkProblems.device_certificate_required(detail, { fix: "Connect with the device's certificate." });
    throw linkProblems.device_not_admitted(`${detail} (${because})`);
  }
}

async function withDeadline<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${ms} ms.`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
