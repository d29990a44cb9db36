import { describeError } from "@tenfold/base";
import { type DocumentTopic, downTopics } from "@tenfold/contracts";
import type { Endpoint, Pending } from "../endpoint.ts";
import { farewells } from "../farewells.ts";
import { ticksOf } from "../limits.ts";
import type { Farewell, Identity } from "../link.ts";
import { matches } from "../topics.ts";

export type DocumentsParts = {
  endpoint: Endpoint;
  identity: Identity;
  /** Whether the device listens for this topic. */
  hears(topic: string): boolean;
  offer(topic: string, payload: string): void;
  close(farewell: Farewell): void;
  broke(error: unknown): void;
};

/** What a device is sent as soon as it listens: the documents, and the commands that wait for it. */
type Kind = DocumentTopic | "commands";

/**
 * What one device finds at its own topics, as its connection tells it. Whoever changes a document says only that it changed; it is read here, for each
 * topic by one reading at a time, and each reading begins after the last one has gone out. So nobody can send an older document after a newer one [M17].
 */
export class Documents {
  readonly #parts: DocumentsParts;
  readonly #reading = new Map<Kind, "once" | "again">();
  /** What this connection has been told at least once. */
  readonly #told = new Set<Kind>();
  /** What could not be read, with the tick at which it was tried. */
  readonly #missed = new Map<Kind, number>();

  constructor(parts: DocumentsParts) {
    this.#parts = parts;
  }

  /** The device listens for more: what is current there goes out. */
  heard(filters: readonly string[]): void {
    const { topics } = this.#parts.endpoint;
    const { device } = this.#parts.identity;
    for (const rest of downTopics) if (filters.some((filter) => matches(filter, topics.address(device, rest)))) this.#pull(rest);
    const commands = topics.address(device, "commands/");
    if (filters.some((filter) => filter.startsWith(commands) || matches(filter, `${commands}any`))) this.#pull("commands");
  }

  /** What stands at a topic below the device's own has changed. False where the device does not listen for it. */
  refresh(topic: string): boolean {
    const kind: Kind | undefined = topic.startsWith("commands/") ? "commands" : downTopics.find((one) => one === topic);
    if (kind === undefined || !this.#parts.hears(this.#address(topic))) return false;
    this.#pull(kind);
    return true;
  }

  /** Called at each tick: reads again what could not be read. */
  look(tick: number): void {
    const { rereadMs } = this.#parts.endpoint.limits;
    for (const [kind, since] of this.#missed) if (!this.#reading.has(kind) && tick - since >= ticksOf(rereadMs)) this.#pull(kind);
  }

  #address(rest: string): string {
    return this.#parts.endpoint.topics.address(this.#parts.identity.device, rest);
  }

  /** Asking while the question is under way asks once more after it, not once each. */
  #pull(kind: Kind): void {
    if (this.#reading.has(kind)) this.#reading.set(kind, "again");
    else this.#read(kind).catch(this.#parts.broke);
  }

  async #read(kind: Kind): Promise<void> {
    do {
      this.#reading.set(kind, "once");
      await this.#readOnce(kind);
    } while (this.#reading.get(kind) === "again");
    this.#reading.delete(kind);
  }

  async #readOnce(kind: Kind): Promise<void> {
    try {
      for (const { topic, payload } of await this.#current(kind)) this.#parts.offer(this.#address(topic), payload);
      this.#told.add(kind);
      this.#missed.delete(kind);
    } catch (error) {
      this.#fail(kind, error);
    }
  }

  /** Whoever was told nothing yet is sent away to ask again; whoever has an older document keeps it, and its connection, until it can be read. */
  #fail(kind: Kind, error: unknown): void {
    const { endpoint, identity, close } = this.#parts;
    if (!this.#missed.has(kind))
      endpoint.failed("link.downlink_failed", { device: identity.device, topic: kind, because: describeError(error) });
    this.#missed.set(kind, endpoint.tick());
    if (!this.#told.has(kind)) close(farewells.unavailable("What is meant for this device cannot be read now; connect again."));
  }

  async #current(kind: Kind): Promise<readonly Pending[]> {
    const { endpoint } = this.#parts;
    const { device, scope } = this.#parts.identity;
    if (kind === "commands") return endpoint.pending(device, scope);
    const payload = await endpoint.downlink(device, scope, kind);
    return payload === undefined ? [] : [{ topic: kind, payload }];
  }
}
