import { connect as connectTls, type TLSSocket } from "node:tls";
import {
  ackMs,
  countOf,
  deviceProblems,
  type Link,
  type LinkWish,
  reconnectAdvice,
  refusedForGood,
  renewalSubscription,
  renewalTalk,
  subscriptions,
} from "@tenfold/device";
import mqttPacket, { type Packet } from "mqtt-packet";

/** A link that the fleet's one sweep keeps an eye on, so that no link needs a timer of its own. */
export type LeanLink = Link & {
  readonly reconnectWithinS: number | undefined;
  /** Gives up what has waited too long, and the link itself once `breakAt` has come. `now` is monotonic. */
  sweep(now: number): void;
  readonly inFlight: number;
  /** Bytes that came and went so far. */
  traffic(): { rx: number; tx: number };
};

type Waiting = { resolve: () => void; reject: (error: Error) => void; until: number; topic: string };

type Leanness = LinkWish & { now: () => number; breakAt: number; signal: AbortSignal; onAck?: (tookMs: number) => void };

const refusal = (reason: number) => (refusedForGood(reason) ? deviceProblems.publish_refused : deviceProblems.publish_unanswered);

const v5 = { protocolVersion: 5 } as const;

/**
 * An MQTT 5 link straight on TLS and the codec. The agent uses MQTT.js; a load generator with a thousand links in one process keeps a
 * socket, a parser and a map for each (docs/decisions/0007-one-brain.md has the figures). Same promises as `connectLink`.
 */
export async function openLeanLink(wish: Leanness): Promise<LeanLink> {
  const { server, identity, device, keepaliveS } = wish;
  const { hostname, port } = new URL(server.url);
  const socket = connectTls({
    host: hostname,
    port: Number(port || 8_883),
    servername: hostname,
    ca: server.ca,
    ...identity,
    minVersion: "TLSv1.2",
  });
  socket.setNoDelay(true);
  const link = createLink(socket, wish);
  socket.once("secureConnect", () => {
    link.send({
      cmd: "connect",
      protocolId: "MQTT",
      ...v5,
      clientId: device,
      clean: true,
      keepalive: keepaliveS,
      properties: { receiveMaximum: 64 },
    });
  });
  const stop = () => void link.close();
  wish.signal.addEventListener("abort", stop, { once: true });
  socket.once("close", () => wish.signal.removeEventListener("abort", stop));
  await link.opened;
  return link;
}

function createLink(
  socket: TLSSocket,
  { server, device, events, now, breakAt, onAck }: Leanness,
): LeanLink & { opened: Promise<void>; send(packet: Packet): void } {
  const parser = mqttPacket.parser(v5);
  const waiting = new Map<number, Waiting>();
  const opening = Promise.withResolvers<void>();
  let state: "opening" | "open" | "closed" = "opening";
  let nextId = 1;
  let advised: number | undefined;

  const send = (packet: Packet): void => {
    socket.write(mqttPacket.generate(packet, v5));
  };
  const down = (because: string): void => {
    if (state === "closed") return;
    const was = state;
    state = "closed";
    socket.destroy();
    for (const { reject, topic } of waiting.values())
      reject(deviceProblems.link_lost(`The link went down before ${topic} was acknowledged.`));
    waiting.clear();
    if (was === "opening") opening.reject(deviceProblems.link_unreachable(`No MQTT link to ${server.url}: ${because}`));
    else events.onDown(because);
  };
  const settle = (id: number | undefined, reason: number): void => {
    const one = waiting.get(id ?? 0);
    if (one === undefined) return;
    waiting.delete(id ?? 0);
    onAck?.(now() - (one.until - ackMs));
    if (reason < 0x80) one.resolve();
    else one.reject(refusal(reason)(`${one.topic} was not taken: reason ${reason}.`));
  };
  const greeted = ({ reasonCode: reason = 0, properties }: Extract<Packet, { cmd: "connack" }>): void => {
    advised = reconnectAdvice(properties?.userProperties);
    if (reason >= 0x80) {
      const retryAfterS = advised === undefined ? {} : { retryAfterS: advised };
      opening.reject(deviceProblems.link_refused(`${server.url} refused ${device} with reason ${reason}.`, retryAfterS));
      down(`refused with reason ${reason}`);
    } else {
      subscribe();
    }
  };
  const subscribe = (): void => {
    send({
      cmd: "subscribe",
      messageId: 65_535,
      subscriptions: [...subscriptions(device), renewalSubscription(device)].map((topic) => ({ topic, qos: 1 })),
    });
  };
  const hear = (packet: Extract<Packet, { cmd: "publish" }>): void => {
    if (packet.qos === 1 && packet.messageId !== undefined) send({ cmd: "puback", messageId: packet.messageId, reasonCode: 0 });
    const text = packet.payload.toString("utf8");
    if (!renewal.hear(packet.topic, text)) events.onMessage(packet.topic, text);
  };
  const opened = (): void => {
    state = "open";
    socket.setTimeout(0);
    opening.resolve();
  };
  parser.on("packet", (packet) => {
    if (packet.cmd === "puback") settle(packet.messageId, packet.reasonCode ?? 0);
    else if (packet.cmd === "publish") hear(packet);
    else if (packet.cmd === "connack") greeted(packet);
    else if (packet.cmd === "suback") opened();
    else if (packet.cmd === "disconnect") down(`the platform ended it with reason ${packet.reasonCode ?? 0}`);
  });
  parser.on("error", (error: Error) => down(`unreadable packet: ${error.message}`));
  socket.setTimeout(ackMs, () => down(`no answer within ${ackMs / 1_000} s`));
  socket.on("data", (bytes) => parser.parse(bytes));
  socket.on("error", (error) => down(error.message));
  socket.on("close", () => down("the connection was closed"));

  const publish: Link["publish"] = (topic, payload, count) => {
    if (state !== "open") return Promise.reject(deviceProblems.link_lost("The link is down."));
    const messageId = nextId;
    nextId = (nextId % 65_000) + 1;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    waiting.set(messageId, { resolve, reject, until: now() + ackMs, topic });
    const properties = count ? { properties: { userProperties: countOf(count) } } : {};
    send({ cmd: "publish", topic, payload, qos: 1, messageId, dup: false, retain: false, ...properties });
    return promise;
  };
  const renewal = renewalTalk(device, publish);

  return {
    opened: opening.promise,
    send,
    publish,
    certify: renewal.certify,
    get reconnectWithinS() {
      return advised;
    },
    get inFlight() {
      return waiting.size;
    },
    traffic: () => ({ rx: socket.bytesRead, tx: socket.bytesWritten }),
    sweep(at) {
      if (at > breakAt) down("the weather");
      for (const [id, { until, reject, topic }] of waiting) {
        if (until > at) break;
        waiting.delete(id);
        reject(deviceProblems.publish_unanswered(`${topic} was not acknowledged within ${ackMs / 1_000} s.`));
      }
    },
    async close() {
      if (state === "closed") return;
      const was = state;
      state = "closed";
      if (was === "opening") opening.reject(deviceProblems.link_lost("The link was closed while it was opening."));
      else send({ cmd: "disconnect", reasonCode: 0 });
      for (const { reject, topic } of waiting.values())
        reject(deviceProblems.link_lost(`The link was closed before ${topic} was acknowledged.`));
      waiting.clear();
      socket.end();
      socket.destroySoon();
    },
  };
}
