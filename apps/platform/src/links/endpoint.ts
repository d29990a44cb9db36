import type { Scope } from "@tenfold/base";
import type { DocumentTopic } from "@tenfold/contracts";
import type { Directory } from "./directory.ts";
import type { Limits } from "./limits.ts";
import type { Farewell, Identity, Received, Transport, UpMessage } from "./link.ts";
import type { TopicRule } from "./topics.ts";

type Refusal = {
  because: string;
  detail: string;
  transport: Transport;
  device?: string | undefined;
  remoteAddress?: string | undefined;
};

/** A command on its way down: its topic below the device's own, and its document. */
export type Pending = { topic: string; payload: string };

/** What all connections share: the rules, the way in, and the places where it is told what happened. */
export type Endpoint = {
  readonly limits: Limits;
  readonly topics: TopicRule;
  readonly directory: Directory;
  readonly budget: Budget;
  /** Ticks of the one timer so far (`tickMs` each). */
  tick(): number;
  /** Milliseconds since 1970. */
  now(): number;
  /** MQTT connections that are open. */
  openCount(): number;
  /** Counts a device's coming; false where it comes too often. */
  mayConnect(device: string): boolean;
  /** Over how many seconds a device that loses its connection should spread its coming back. */
  reconnectWithinS(): number;
  receive(message: UpMessage): Promise<Received>;
  downlink(device: string, scope: Scope, topic: DocumentTopic): Promise<string | undefined>;
  /** The commands that wait for a device, each with its topic below the device's own. */
  pending(device: string, scope: Scope): Promise<readonly Pending[]>;
  /** The device acknowledged what was sent to it on this topic, at QoS 1. */
  delivered(identity: Identity, topic: string): void;
  /** A connection was not let in, or a request not answered. */
  refused(refusal: Refusal): void;
  opened(identity: Identity, remoteAddress: string | undefined): void;
  closed(identity: Identity, farewell: Pick<Farewell, "because" | "detail">): void;
  /** A message of an admitted device was refused by this endpoint, before the intake saw it. */
  inputRefused(identity: Identity, refusal: { because: string; detail: string }): void;
  contact(identity: Identity): void;
  counted(messages: { transport: Transport; channel: string; result: string }, many: number): void;
  failed(event: string, fields: Record<string, unknown>): void;
};

/** Bytes of all connections that are under way to storage, and storage's own word on whether it keeps up. */
export class Budget {
  readonly #most: number;
  readonly #pressed: () => boolean;
  #taken = 0;

  constructor(most: number, pressed: () => boolean) {
    this.#most = most;
    this.#pressed = pressed;
  }

  get full(): boolean {
    return this.#taken >= this.#most || this.#pressed();
  }

  get taken(): number {
    return this.#taken;
  }

  take(bytes: number): void {
    this.#taken += bytes;
  }

  give(bytes: number): void {
    this.#taken -= bytes;
  }
}
