import { Fields } from "./fields.ts";
import type { Frame } from "./frames.ts";
import type { Acknowledgement, Disconnect, Packet, Publish, QoS, Subscribe, Unsubscribe, Version } from "./packets.ts";
import { allowedIn, numberIn, type Pairs, property, readProperties } from "./properties.ts";
import { readConnect } from "./read-connect.ts";
import { BadPacket, malformed, protocolError, type Violation } from "./reasons.ts";
import { checkFilter, checkTopic } from "./topic-syntax.ts";

export type Passed = { is: "packet"; packet: Packet } | { is: "bad"; violation: Violation };

/**
 * The strict gate. What passes is complete and well-formed by the standard, of a kind that a client may send, with only the properties
 * its kind allows, each at most once; nothing behind the gate checks a byte again. `version` is undefined before CONNECT.
 */
export function passGate(frame: Frame, version: Version | undefined): Passed {
  try {
    return { is: "packet", packet: version === undefined ? readFirst(frame) : readNext(frame, version) };
  } catch (error) {
    if (error instanceof BadPacket) return { is: "bad", violation: error.violation };
    throw error;
  }
}

function readFirst(frame: Frame): Packet {
  // [MQTT-3.1.0-1]
  if (frame.first !== 0x10) throw protocolError("The first packet is not a CONNECT.");
  const connect = readConnect(new Fields(frame.bytes, frame.from, frame.to));
  if (connect.version === 5 && !frame.minimal) throw malformed("A remaining length that is longer than it need be.");
  return connect;
}

/** Flags that the standard fixes for each packet type [MQTT-2.1.3-1]; undefined where they vary, or where no client may send it. */
const fixedFlags: readonly (number | undefined)[] = [
  undefined,
  0,
  undefined,
  undefined,
  0,
  0,
  2,
  0,
  2,
  undefined,
  2,
  undefined,
  0,
  undefined,
  0,
  undefined,
];

function readNext({ first, bytes, from, to, minimal }: Frame, version: Version): Packet {
  const [type, flags] = [first >> 4, first & 0x0f];
  if (version === 5 && !minimal) throw malformed("A remaining length that is longer than it need be.");
  const fields = new Fields(bytes, from, to);
  if (type === 3) return readPublish(flags, fields, version);
  const fixed = fixedFlags[type];
  if (fixed === undefined) throw protocolError(`Packet type ${type} is not one that a client sends here.`);
  if (flags !== fixed) throw malformed(`Packet type ${type} with flags ${flags}.`);
  switch (type) {
    case 4:
      return readAcknowledgement("puback", fields, version);
    case 5:
      return readAcknowledgement("pubrec", fields, version);
    case 6:
      return readAcknowledgement("pubrel", fields, version);
    case 7:
      return readAcknowledgement("pubcomp", fields, version);
    case 8:
      return readSubscribe(fields, version);
    case 10:
      return readUnsubscribe(fields, version);
    case 12:
      fields.end();
      return { is: "pingreq" };
    case 14:
      return readDisconnect(fields, version);
    default:
      // [MQTT-3.1.0-2]
      throw protocolError("A second CONNECT.");
  }
}

function readPublish(flags: number, fields: Fields, version: Version): Publish {
  const qos = (flags >> 1) & 3;
  // [MQTT-3.3.1-4]
  if (qos === 3) throw malformed("A PUBLISH with QoS 3.");
  // [MQTT-3.3.1-2]
  if (qos === 0 && flags & 8) throw malformed("A PUBLISH with QoS 0 that says it is a duplicate.");
  const topic = fields.text();
  const packetId = qos === 0 ? 0 : fields.packetId();
  let alias = 0;
  let pairs: Pairs | undefined;
  if (version === 5) {
    pairs = new Map();
    alias = numberIn(readProperties(fields, allowedIn.publish, pairs), property.topicAlias, 0);
  }
  if (topic !== "") checkTopic(topic);
  else if (alias === 0) throw protocolError("A PUBLISH with neither a topic nor an alias.");
  // `qos` was read from two bits and is not 3.
  return {
    is: "publish",
    qos: qos as QoS,
    retain: (flags & 1) === 1,
    topic,
    packetId,
    alias,
    pairs: pairs?.size ? pairs : undefined,
    payload: fields.rest(),
  };
}

/** Reason codes of PUBACK and PUBREC, and of PUBREL and PUBCOMP [MQTT5 2.4]. */
const ackReasons = {
  first: new Set([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]),
  second: new Set([0x00, 0x92]),
};

function readAcknowledgement(is: Acknowledgement["is"], fields: Fields, version: Version): Acknowledgement {
  const packetId = fields.packetId();
  let reason = 0;
  if (version === 5 && fields.left > 0) {
    reason = fields.byte();
    const known = is === "puback" || is === "pubrec" ? ackReasons.first : ackReasons.second;
    if (!known.has(reason)) throw malformed(`${is.toUpperCase()} with reason 0x${reason.toString(16)}.`);
    if (fields.left > 0) readProperties(fields, allowedIn.acknowledgement);
  }
  fields.end();
  return { is, packetId, reason };
}

function readSubscribe(fields: Fields, version: Version): Subscribe {
  const packetId = fields.packetId();
  const identifier = version === 5 ? numberIn(readProperties(fields, allowedIn.subscribe), property.subscriptionIdentifier, 0) : 0;
  const filters: Subscribe["filters"] = [];
  do {
    const filter = fields.text();
    const options = fields.byte();
    const shared = checkFilter(filter);
    checkOptions(options, version);
    // [MQTT-3.8.3-4]
    if (shared && options & 4) throw protocolError("A shared subscription with No Local.");
    // `checkOptions` has refused 3.
    filters.push({ filter, qos: (options & 3) as QoS });
  } while (fields.left > 0);
  return { is: "subscribe", packetId, identifier, filters };
}

function checkOptions(options: number, version: Version): void {
  const reserved = version === 5 ? 0xc0 : 0xfc;
  // [MQTT-3.8.3-5]
  if (options & reserved) throw malformed("Subscription options with reserved bits set.");
  if ((options & 3) === 3) throw malformed("A subscription with QoS 3.");
  if ((options & 0x30) === 0x30) throw protocolError("Subscription options with Retain Handling 3.");
}

function readUnsubscribe(fields: Fields, version: Version): Unsubscribe {
  const packetId = fields.packetId();
  if (version === 5) readProperties(fields, allowedIn.unsubscribe);
  const filters: string[] = [];
  do {
    const filter = fields.text();
    checkFilter(filter);
    filters.push(filter);
  } while (fields.left > 0);
  return { is: "unsubscribe", packetId, filters };
}

/** Reason codes that a client may send in DISCONNECT [MQTT5 3.14.2.1]. */
const disconnectReasons: ReadonlySet<number> = new Set([
  0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
]);

function readDisconnect(fields: Fields, version: Version): Disconnect {
  let [reason, sessionExpiryS] = [0, 0];
  if (version === 5 && fields.left > 0) {
    reason = fields.byte();
    if (!disconnectReasons.has(reason)) throw protocolError(`DISCONNECT with reason 0x${reason.toString(16)}.`);
    if (fields.left > 0) sessionExpiryS = numberIn(readProperties(fields, allowedIn.disconnect), property.sessionExpiry, 0);
  }
  fields.end();
  return { is: "disconnect", reason, sessionExpiryS };
}
