import type { Fields } from "./fields.ts";
import type { Frame } from "./frames.ts";
import type { Connect, QoS, Version, Will } from "./packets.ts";
import { allowedIn, numberIn, type Properties, property, readProperties } from "./properties.ts";
import { BadPacket, malformed, protocolError, reasons } from "./reasons.ts";
import { checkTopic } from "./topic-syntax.ts";

/** Reads the body of a CONNECT [MQTT 3.1]. User name and password are checked for form and thrown away: the certificate says who it is. */
export function readConnect(fields: Fields): Connect {
  const version = readVersion(fields);
  const flags = readFlags(fields, version);
  const keepAliveS = fields.uint16();
  const properties = version === 5 ? readProperties(fields, allowedIn.connect) : new Map();
  const clientId = fields.text();
  const will = flags & 0x04 ? readWill(fields, flags, version) : undefined;
  if (flags & 0x80) fields.text();
  if (flags & 0x40) fields.binary();
  fields.end();
  const clean = (flags & 0x02) !== 0;
  return { is: "connect", version, clientId, clean, keepAliveS, will, ...readWishes(properties) };
}

function readVersion(fields: Fields): Version {
  const name = fields.text();
  if (name !== "MQTT" && name !== "MQIsdp") throw malformed("A CONNECT of another protocol.");
  const version = fields.byte();
  if (name === "MQTT" && (version === 4 || version === 5)) return version;
  throw new BadPacket({
    reason: reasons.unsupportedVersion,
    because: "version_unsupported",
    detail: `${name} level ${version}: this endpoint speaks MQTT 5 and 3.1.1.`,
  });
}

function readFlags(fields: Fields, version: Version): number {
  const flags = fields.byte();
  const [will, qos] = [flags & 0x04, (flags >> 3) & 3];
  // [MQTT-3.1.2-3]
  if (flags & 0x01) throw malformed("A CONNECT with its reserved flag set.");
  // [MQTT-3.1.2-11 to 15]
  if (!will && (qos > 0 || flags & 0x20)) throw malformed("A CONNECT with a will's QoS or retain flag, but no will.");
  if (qos === 3) throw malformed("A will with QoS 3.");
  // [MQTT3 3.1.2-22] Version 5 allows a password alone.
  if (version === 4 && flags & 0x40 && !(flags & 0x80)) throw malformed("A CONNECT with a password but no user name.");
  return flags;
}

function readWill(fields: Fields, flags: number, version: Version): Will {
  if (version === 5) readProperties(fields, allowedIn.will);
  const topic = fields.text();
  checkTopic(topic);
  // `readFlags` has refused 3.
  return { topic, payload: fields.binary(), qos: ((flags >> 3) & 3) as QoS, retain: (flags & 0x20) !== 0 };
}

type Wishes = Pick<Connect, "sessionExpiryS" | "receiveMaximum" | "maximumPacketSize" | "wantsReasons" | "authenticationMethod">;

function readWishes(properties: Properties): Wishes {
  const method = properties.get(property.authenticationMethod);
  // [MQTT5 3.1.2.11.10]
  if (method === undefined && properties.has(property.authenticationData))
    throw protocolError("Authentication Data without a method.");
  return {
    sessionExpiryS: numberIn(properties, property.sessionExpiry, 0),
    receiveMaximum: numberIn(properties, property.receiveMaximum, 65_535),
    maximumPacketSize: numberIn(properties, property.maximumPacketSize, 268_435_460),
    wantsReasons: numberIn(properties, property.requestProblems, 1) === 1,
    authenticationMethod: typeof method === "string" ? method : undefined,
  };
}

/** The version that a CONNECT asks for, however broken the rest of it: decides in which form it can be refused. */
export function versionAskedFor({ first, bytes, from, to }: Frame): Version | undefined {
  const body = bytes.subarray(from, to);
  if (first !== 0x10 || body.length < 7) return undefined;
  const name = body.toString("latin1", 2, 2 + body.readUInt16BE(0));
  const level = body[2 + name.length];
  if (name === "MQIsdp" || (name === "MQTT" && level !== undefined && level < 5)) return 4;
  return name === "MQTT" ? 5 : undefined;
}
