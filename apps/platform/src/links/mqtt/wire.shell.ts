import type { Duplex } from "node:stream";
import type { Endpoint } from "../endpoint.ts";
import { farewells } from "../farewells.ts";
import { ticksOf } from "../limits.ts";
import type { Admission } from "../link.ts";
import { Conversation, type Wire } from "./conversation.ts";
import { FrameReader } from "./frames.ts";

/** A socket, or anything like one, with an MQTT conversation over it. */
export class MqttWire implements Wire {
  readonly conversation: Conversation;
  /** Resolves when the stream is closed, from whichever side. */
  readonly gone: Promise<void>;
  readonly #stream: Duplex;
  readonly #endpoint: Endpoint;
  readonly #frames = new FrameReader();
  #outbox: Buffer[] = [];
  #flushing = false;
  #reading = false;
  #endedAt: number | undefined;

  constructor({
    stream,
    endpoint,
    judge,
    remoteAddress,
  }: { stream: Duplex; endpoint: Endpoint; judge: () => Promise<Admission>; remoteAddress?: string | undefined }) {
    this.#stream = stream;
    this.#endpoint = endpoint;
    this.conversation = new Conversation({ endpoint, wire: this, judge, remoteAddress });
    stream.on("data", (chunk: Buffer) => this.#arrived(chunk));
    // What broke shows in `close`, which always follows.
    stream.on("error", () => {});
    this.gone = new Promise((resolve) => {
      stream.once("close", () => {
        this.conversation.lost();
        resolve();
      });
    });
  }

  /** Called at each tick. */
  look(): void {
    this.conversation.look();
    if (this.#endedAt !== undefined && this.#endpoint.tick() - this.#endedAt > ticksOf(this.#endpoint.limits.lingerMs))
      this.#stream.destroy();
  }

  /** All that is sent within one turn of the event loop goes out in one write: the acknowledgements of a group commit, for one. */
  send(bytes: Buffer): void {
    if (this.#endedAt !== undefined) return;
    this.#outbox.push(bytes);
    if (this.#flushing) return;
    this.#flushing = true;
    process.nextTick(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushing = false;
    if (this.#endedAt !== undefined || this.#stream.destroyed) return;
    this.#stream.write(this.#packed());
    // A farewell would wait behind all that is not read.
    if (this.#stream.writableLength > this.#endpoint.limits.maxUnreadBytes) {
      this.conversation.close(farewells.slowReader);
      this.#stream.destroy();
    }
  };

  #packed(): Buffer {
    const [first] = this.#outbox;
    const packed = this.#outbox.length === 1 && first ? first : Buffer.concat(this.#outbox);
    this.#outbox = [];
    return packed;
  }

  /**
   * Closes after what was sent has gone out. What still arrives is read and thrown away for a moment: closing a socket with unread
   * bytes makes the kernel reset it, and the device would lose the farewell.
   */
  end(last?: Buffer): void {
    if (this.#endedAt !== undefined) return;
    if (last) this.#outbox.push(last);
    this.#endedAt = this.#endpoint.tick();
    this.#frames.clear();
    if (this.#stream.destroyed) return;
    this.#stream.end(this.#packed());
    this.#stream.resume();
  }

  /** Closes at once, whatever was still on its way. */
  destroy(): void {
    this.#stream.destroy();
  }

  readOn(): void {
    if (this.#endedAt !== undefined || this.#reading) return;
    if (this.#frames.held > 0 || this.#stream.isPaused()) this.#read();
  }

  #arrived(chunk: Buffer): void {
    if (this.#endedAt !== undefined) return;
    this.#frames.push(chunk);
    this.#read();
  }

  #read(): void {
    this.#reading = true;
    try {
      this.#take();
    } catch (error) {
      this.conversation.broke(error);
    }
    this.#reading = false;
    if (this.#endedAt !== undefined) return;
    if (!this.conversation.mayRead()) this.#stream.pause();
    else if (this.#stream.isPaused()) this.#stream.resume();
  }

  #take(): void {
    while (this.conversation.mayRead()) {
      const frame = this.#frames.next(this.conversation.limit);
      if (frame.is === "more") return;
      if (frame.is === "frame") this.conversation.take(frame);
      else this.conversation.violate(frame.violation);
    }
  }
}
