import type { TLSSocket } from "node:tls";
import { generate } from "mqtt-packet";

const longestWindow = 1_024;

/** One device over a connection that stands. The packet id is the message's place in the window, so that an acknowledgement finds its message without a search. */
export class LoadDevice {
  readonly socket: TLSSocket;
  readonly #packet: Buffer;
  readonly #payloadAt: number;
  readonly #sentAt = new Float64Array(longestWindow);
  readonly #free: number[] = [];
  #seq = 0;
  #rest = 0;
  #partial = Buffer.alloc(4);
  inFlight = 0;
  left = 0;
  window = 0;
  onAck: (latencyMs: number) => void = () => {};

  constructor(socket: TLSSocket, id: string) {
    this.socket = socket;
    const payload = payloadShape;
    this.#packet = generate({
      cmd: "publish",
      topic: `devices/${id}/telemetry`,
      payload,
      qos: 1,
      messageId: 1,
      dup: false,
      retain: false,
    });
    this.#payloadAt = this.#packet.length - payload.length;
  }

  begin(each: number, window: number): void {
    this.left = each;
    this.window = Math.min(window, longestWindow);
    this.#free.length = 0;
    for (let id = this.window; id >= 1; id--) this.#free.push(id);
    this.inFlight = 0;
  }

  /** Sends until the window is full. `dueAt` is from when latency counts. */
  pump(dueAt: number, most = Number.POSITIVE_INFINITY): number {
    const many = Math.min(this.window - this.inFlight, this.left, most);
    if (many <= 0) return 0;
    const size = this.#packet.length;
    const bytes = Buffer.allocUnsafe(size * many);
    const now = Date.now();
    for (let i = 0; i < many; i++) this.#write(bytes, i * size, now, dueAt);
    this.inFlight += many;
    this.left -= many;
    this.socket.write(bytes);
    return many;
  }

  #write(bytes: Buffer, at: number, now: number, dueAt: number): void {
    const id = this.#free.pop() ?? 1;
    this.#packet.copy(bytes, at);
    bytes.writeUInt16BE(id, at + this.#payloadAt - 2);
    digits(bytes, at + this.#payloadAt + tsAt, now, 13);
    const seq = this.#seq++;
    digits(bytes, at + this.#payloadAt + seqAt, 1_000_000 + (seq % 9_000_000), 7);
    digits(bytes, at + this.#payloadAt + temperatureAt, 10 + (seq % 90), 2);
    this.#sentAt[id - 1] = dueAt;
  }

  /** Reads PUBACKs: four bytes each in MQTT 3.1.1. */
  arrived(chunk: Buffer): void {
    const now = performance.now();
    let at = 0;
    while (this.#rest > 0 && at < chunk.length) {
      this.#partial[this.#rest++] = chunk[at++] ?? 0;
      if (this.#rest < 4) continue;
      this.#rest = 0;
      this.#acknowledged(this.#partial.readUInt16BE(2), now);
    }
    for (; at + 4 <= chunk.length; at += 4) this.#acknowledged(chunk.readUInt16BE(at + 2), now);
    while (at < chunk.length) this.#partial[this.#rest++] = chunk[at++] ?? 0;
  }

  #acknowledged(id: number, now: number): void {
    this.inFlight -= 1;
    this.#free.push(id);
    this.onAck(now - (this.#sentAt[id - 1] ?? now));
  }
}

export const payloadShape = '{"ts":1700000000000,"seq":1000000,"temperature":20.5,"humidity":45,"vibration":0.12,"battery":3.7}';
const tsAt = payloadShape.indexOf("1700");
const seqAt = payloadShape.indexOf("1000000,");
const temperatureAt = payloadShape.indexOf("20.5");

function digits(bytes: Buffer, at: number, value: number, width: number): void {
  let rest = value;
  for (let i = width - 1; i >= 0; i--) {
    const next = Math.floor(rest / 10);
    bytes[at + i] = 0x30 + (rest - next * 10);
    rest = next;
  }
}
