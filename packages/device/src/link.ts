import { setTimeout as pause } from "node:timers/promises";
import { describeError } from "@tenfold/base";
import mqtt, { ErrorWithReasonCode, type MqttClient } from "mqtt";
import type { UserProperties } from "mqtt-packet";
import type { Link, LinkEvents, MessageCount } from "./body.ts";
import { deviceProblems } from "./errors.ts";
import type { DeviceServer, Identity } from "./https.ts";
import { renewalTalk } from "./renewal.ts";

export type LinkWish = {
  /** `mqtts://host:8883` and the authority that vouches for it. */
  readonly server: DeviceServer;
  readonly identity: Identity;
  readonly device: string;
  /** Seconds between pings where nothing else is said. */
  readonly keepaliveS: number;
  readonly events: LinkEvents;
};

const connectMs = 15_000;
/** The platform acknowledges when a message is durable, within milliseconds; this long means that it does not. */
export const ackMs = 15_000;
/**
 * Whether a PUBACK's reason code means that this message will never be taken: the topic is not the device's, or its content is no
 * message (MQTT 5 3.4.2.1). Every other refusal is about now, and the message is sent again.
 */
export const refusedForGood = (reason: number): boolean => [0x87, 0x90, 0x99].includes(reason);
export const subscriptions = (device: string) => [
  `devices/${device}/deployments/next`,
  `devices/${device}/state/desired`,
  `devices/${device}/commands/+`,
  `devices/${device}/identity`,
];
/** Where the answer to a renewal over the link comes down; a platform from before there was one refuses it. */
export const renewalSubscription = (device: string) => `devices/${device}/identity/certificate`;

/**
 * Opens one MQTT 5 connection over mutual TLS and subscribes to what comes down (docs/protocol/device.md 3). It does not reconnect by
 * itself: when it goes down, the brain decides when to open another. Throws `link_unreachable` or `link_refused`.
 */
export async function connectLink({ server, identity, device, keepaliveS, events }: LinkWish): Promise<Link> {
  const client = mqtt.connect(server.url, {
    ...identity,
    ca: server.ca,
    protocolVersion: 5,
    clientId: device,
    clean: true,
    keepalive: keepaliveS,
    reconnectPeriod: 0,
    connectTimeout: connectMs,
    queueQoSZero: false,
    resubscribe: false,
    properties: { receiveMaximum: 16, requestProblemInformation: true },
  });
  let advised: number | undefined;
  client.on("packetreceive", (packet) => {
    if (packet.cmd === "connack") advised = reconnectAdvice(packet.properties?.userProperties);
  });
  const send: Link["publish"] = (topic, payload, count) => publish(client, { topic, payload, count });
  const renewal = renewalTalk(device, send);
  client.on("message", (topic, payload) => {
    const text = payload.toString("utf8");
    if (!renewal.hear(topic, text)) events.onMessage(topic, text);
  });
  let renews = false;
  try {
    await opened(client, { url: server.url, advised: () => advised });
    await client.subscribeAsync(subscriptions(device), { qos: 1 });
    renews = await client.subscribeAsync(renewalSubscription(device), { qos: 1 }).then(
      () => true,
      (error) => (client.connected ? false : Promise.reject(error)),
    );
  } catch (error) {
    client.end(true);
    throw error;
  }
  watch(client, events);
  return {
    ...(advised === undefined ? {} : { reconnectWithinS: advised }),
    publish: send,
    ...(renews ? { certify: renewal.certify } : {}),
    close: () =>
      client
        .endAsync(false)
        .catch(() => client.end(true))
        .then(() => {}),
  };
}

/** [M23] What a CONNACK says about the next coming, in seconds: a whole number up to a day, else nothing. */
export function reconnectAdvice(properties: UserProperties | undefined): number | undefined {
  const said = properties?.reconnectWithinS;
  const text = Array.isArray(said) ? said[0] : said;
  return text !== undefined && /^\d{1,5}$/.test(text) ? Math.min(Number(text), 86_400) : undefined;
}

function opened(client: MqttClient, { url, advised }: { url: string; advised: () => number | undefined }): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  client.once("connect", () => resolve());
  client.once("error", (cause) => {
    const refused = cause instanceof ErrorWithReasonCode;
    const retryAfterS = refused ? advised() : undefined;
    reject(
      (refused ? deviceProblems.link_refused : deviceProblems.link_unreachable)(`No MQTT link to ${url}: ${describeError(cause)}`, {
        cause,
        ...(retryAfterS === undefined ? {} : { retryAfterS }),
      }),
    );
  });
  client.once("close", () => reject(deviceProblems.link_unreachable(`The link to ${url} was closed before it was open.`)));
  return promise;
}

function watch(client: MqttClient, events: LinkEvents): void {
  let because = "the connection was closed";
  // MQTT.js throws what nobody listens to.
  client.on("error", (error) => {
    because = describeError(error);
  });
  client.on("disconnect", ({ reasonCode }) => {
    because = `the platform ended it with reason ${reasonCode ?? 0}`;
  });
  client.once("close", () => {
    client.end(true);
    events.onDown(because);
  });
}

/** [M24] */
export const countOf = ({ seq, boot }: MessageCount): Record<string, string> => ({ seq: String(seq), boot });

type Message = { topic: string; payload: string; count: MessageCount | undefined };

async function publish(client: MqttClient, { topic, payload, count }: Message): Promise<void> {
  // MQTT.js would keep it and send it on a later connection; a later connection is another link.
  if (!client.connected) throw deviceProblems.link_lost("The link is down.");
  const given = new AbortController();
  const unanswered = pause(ackMs, undefined, { signal: given.signal }).then(() => {
    throw deviceProblems.publish_unanswered(`${topic} was not acknowledged within ${ackMs / 1_000} s.`);
  });
  const lost = Promise.withResolvers<never>();
  const onClose = () => lost.reject(deviceProblems.link_lost(`The link went down before ${topic} was acknowledged.`));
  client.once("close", onClose);
  try {
    await Promise.race([
      client.publishAsync(topic, payload, { qos: 1, ...(count ? { properties: { userProperties: countOf(count) } } : {}) }),
      unanswered,
      lost.promise,
    ]);
  } catch (cause) {
    if (!(cause instanceof ErrorWithReasonCode)) throw cause;
    const make = refusedForGood(cause.code) ? deviceProblems.publish_refused : deviceProblems.publish_unanswered;
    throw make(`${topic} was not taken: ${describeError(cause)}`, { cause });
  } finally {
    client.off("close", onClose);
    given.abort();
    unanswered.catch(() => {});
  }
}
