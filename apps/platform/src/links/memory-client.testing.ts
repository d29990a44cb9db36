import { duplexPair } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { defaultScope } from "@tenfold/base";
import { generate, type Packet, parser } from "mqtt-packet";
import { tickMs } from "./limits.ts";
import type { LinksWorld } from "./testing.ts";

export type Client = AsyncDisposable & {
  packets: Packet[];
  closed(): boolean;
  write(bytes: Buffer): void;
  say(packet: Packet): Promise<void>;
  quiet(): Promise<void>;
};

/** A client over a stream in memory, admitted as `pump-1` or another; what it is told is read by the codec. */
export function client(world: LinksWorld, { version = 5, reads = true, device = "pump-1" } = {}): Client {
  const [near, far] = duplexPair();
  const codec = parser({ protocolVersion: version });
  const packets: Packet[] = [];
  let closed = false;
  codec.on("packet", (packet) => packets.push(packet));
  if (reads) near.on("data", (bytes: Buffer) => codec.parse(bytes));
  const end = () => {
    closed = true;
  };
  near.on("end", end).on("close", end);
  near.on("error", () => {});
  world.links.acceptStream(far, { device, scope: defaultScope, fingerprint: "aa" });
  const quiet = async () => {
    for (let i = 0; i < 12; i++) await turn();
  };
  return {
    packets,
    closed: () => closed,
    write: (bytes) => void near.write(bytes),
    quiet,
    async say(packet) {
      near.write(generate(packet, { protocolVersion: version }));
      await quiet();
    },
    async [Symbol.asyncDispose]() {
      near.destroy();
      far.destroy();
      await quiet();
    },
  };
}

export const connect = (more: object = {}): Packet => ({
  cmd: "connect",
  protocolId: "MQTT",
  protocolVersion: 5,
  clean: true,
  clientId: "",
  keepalive: 60,
  ...more,
});
export const publish = (messageId: number, payload: Buffer | string = "{}"): Packet => ({
  cmd: "publish",
  topic: "devices/pump-1/telemetry",
  payload,
  qos: 1,
  dup: false,
  retain: false,
  messageId,
});
export const last = (from: Client): Packet | undefined => from.packets.at(-1);
export const reasonOf = (from: Client) =>
  (from.packets.findLast(({ cmd }) => cmd === "disconnect") as { reasonCode?: number } | undefined)?.reasonCode;
export const pass = (world: LinksWorld, ms: number) => {
  for (let i = 0; i <= Math.ceil(ms / tickMs); i++) world.links.tick();
};
