import { setTimeout as pause } from "node:timers/promises";
import { describeError } from "@tenfold/base";
import mqtt, { ErrorWithReasonCode, type MqttClient } from "mqtt";
import type { Link, LinkEvents } from "./body.ts";
import { deviceProblems } from "./errors.ts";
import type { DeviceServer, Identity } from "./https.ts";

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
];

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
  client.on("message", (topic, payload) => events.onMessage(topic, payload.toString("utf8")));
  try {
    await opened(client, server.url);
    await client.subscribeAsync(subscriptions(device), { qos: 1 });
  } catch (error) {
    client.end(true);
    throw error;
  }
  watch(client, events);
  return {
    publish: (topic, payload) => publish(client, { topic, payload }),
    close: () =>
      client
        .endAsync(false)
        .catch(() => client.end(true))
        .then(() => {}),
  };
}

function opened(client: MqttClient, url: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  client.once("connect", () => resolve());
  client.once("error", (cause) => {
    const refused = cause instanceof ErrorWithReasonCode;
    reject(
      (refused ? deviceProblems.link_refused : deviceProblems.link_unreachable)(`No MQTT link to ${url}: ${describeError(cause)}`, {
        cause,
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

async function publish(client: MqttClient, { topic, payload }: { topic: string; payload: string }): Promise<void> {
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
    await Promise.race([client.publishAsync(topic, payload, { qos: 1 }), unanswered, lost.promise]);
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
