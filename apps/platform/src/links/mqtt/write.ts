import { generate } from "mqtt-packet";
import type { Version } from "./packets.ts";
import { reasons, returnCodes, type Violation } from "./reasons.ts";

/** What the other end understands, and takes. */
export type Peer = { version: Version; maximumPacketSize: number; wantsReasons: boolean };

/** What this endpoint grants a connection; what is `undefined` goes without saying. */
export type Grant = {
  /** Seconds; set where it differs from what was asked. */
  keepAliveS: number | undefined;
  clientId: string | undefined;
  sessionExpiryS: number | undefined;
  receiveMaximum: number;
  maximumPacketSize: number;
  topicAliasMaximum: number;
  reconnectWithinS: number;
};

/** [M23] */
const advice = (reconnectWithinS: number) => ({ userProperties: { reconnectWithinS: String(reconnectWithinS) } });

/**
 * The CONNACK of an admitted device; undefined when not even the shortest honest one is as small as the device takes. Sessions are not
 * kept from one connection to the next: a device subscribes anew and is sent what is current.
 */
export function acceptConnect(peer: Peer, grant: Grant): Buffer | undefined {
  if (peer.version === 4) return generate({ cmd: "connack", returnCode: returnCodes.accepted, sessionPresent: false });
  // Without these a device would break a rule that it was never told.
  const rules = {
    maximumQoS: 1,
    retainAvailable: false,
    receiveMaximum: grant.receiveMaximum,
    maximumPacketSize: grant.maximumPacketSize,
    ...(grant.keepAliveS === undefined ? {} : { serverKeepAlive: grant.keepAliveS }),
    ...(grant.clientId === undefined ? {} : { assignedClientIdentifier: grant.clientId }),
    ...(grant.sessionExpiryS === undefined ? {} : { sessionExpiryInterval: grant.sessionExpiryS }),
  };
  const offers = {
    topicAliasMaximum: grant.topicAliasMaximum,
    sharedSubscriptionAvailable: false,
    ...advice(grant.reconnectWithinS),
  };
  return [{ ...rules, ...offers }, rules]
    .map((properties) =>
      generate({ cmd: "connack", reasonCode: reasons.success, sessionPresent: false, properties }, { protocolVersion: 5 }),
    )
    .find((packet) => packet.length <= peer.maximumPacketSize);
}

/** The CONNACK of a refused one; the version is that of its CONNECT. The reason string is left out where the device has no room for it. */
export function refuseConnect(
  version: Version,
  { reason, detail }: Violation,
  { maximumPacketSize, reconnectWithinS }: { maximumPacketSize: number; reconnectWithinS: number },
): Buffer {
  if (version !== 5) return generate({ cmd: "connack", returnCode: returnCodeOf(reason), sessionPresent: false });
  const refusal = { cmd: "connack", reasonCode: reason, sessionPresent: false } as const;
  const properties = { reasonString: detail, ...advice(reconnectWithinS) };
  const full = generate({ ...refusal, properties }, { protocolVersion: 5 });
  return full.length <= maximumPacketSize ? full : generate(refusal, { protocolVersion: 5 });
}

function returnCodeOf(reason: number): number {
  switch (reason) {
    case reasons.unsupportedVersion:
      return returnCodes.unacceptableVersion;
    case reasons.clientIdInvalid:
      return returnCodes.identifierRejected;
    case reasons.quotaExceeded:
    case reasons.connectionRateExceeded:
    case reasons.serverUnavailable:
    case reasons.serverBusy:
      return returnCodes.serverUnavailable;
    default:
      return returnCodes.notAuthorized;
  }
}

/** The farewell of MQTT 5; MQTT 3.1.1 has none, there the connection just closes [MQTT3 4.8]. */
export function writeDisconnect(peer: Peer, reason: number, detail: string): Buffer | undefined {
  if (peer.version === 4) return undefined;
  const options = { protocolVersion: 5, properties: { maximumPacketSize: peer.maximumPacketSize } };
  return generate({ cmd: "disconnect", reasonCode: reason, properties: { reasonString: detail } }, options);
}

/** PUBACKs that say "stored": the one packet written for every message, so it takes four bytes and no detour. */
export function writeStored(packetIds: readonly number[]): Buffer {
  const packets = Buffer.allocUnsafe(4 * packetIds.length);
  let at = 0;
  for (const id of packetIds) at = packets.writeUInt32BE(0x40020000 | id, at);
  return packets;
}

/** A PUBACK that ends the matter without storing [MQTT5 3.4.2.1]. MQTT 3.1.1 has only the plain one. */
export function writeNotStored(peer: Peer, packetId: number, { reason, detail }: Violation): Buffer {
  if (peer.version === 4) return writeStored([packetId]);
  const options = { protocolVersion: 5, properties: { maximumPacketSize: peer.maximumPacketSize } };
  return generate(
    {
      cmd: "puback",
      messageId: packetId,
      reasonCode: reason,
      ...(peer.wantsReasons ? { properties: { reasonString: detail } } : {}),
    },
    options,
  );
}

/** The answers of the QoS 2 handshake that a client may go on with [MQTT-4.3.3]: PUBREL after PUBREC, PUBCOMP after PUBREL. */
export const writePubrel = (packetId: number): Buffer => Buffer.from([0x62, 2, packetId >> 8, packetId & 0xff]);
export const writePubcomp = (packetId: number): Buffer => Buffer.from([0x70, 2, packetId >> 8, packetId & 0xff]);

export const writePingresp = (): Buffer => Buffer.from([0xd0, 0]);

export function writeSuback(peer: Peer, packetId: number, granted: number[]): Buffer {
  return generate({ cmd: "suback", messageId: packetId, granted }, { protocolVersion: peer.version });
}

export function writeUnsuback(peer: Peer, packetId: number, granted: number[]): Buffer {
  return generate({ cmd: "unsuback", messageId: packetId, granted }, { protocolVersion: peer.version });
}

export type Down = { topic: string; payload: string; qos: 0 | 1; packetId: number; identifiers: number[] };

/** A PUBLISH to the device; undefined when it is larger than the device takes [MQTT-3.1.2-24]. */
export function writePublish(peer: Peer, { topic, payload, qos, packetId, identifiers }: Down): Buffer | undefined {
  const properties = identifiers.length === 0 ? {} : { properties: { subscriptionIdentifier: identifiers } };
  const packet = generate(
    {
      cmd: "publish",
      topic,
      payload,
      qos,
      dup: false,
      retain: false,
      ...(qos === 0 ? {} : { messageId: packetId }),
      ...properties,
    },
    { protocolVersion: peer.version },
  );
  return packet.length <= peer.maximumPacketSize ? packet : undefined;
}
