import type { Fields } from "./fields.ts";
import { malformed, protocolError } from "./reasons.ts";

/** MQTT 5 property identifiers that a client may send [MQTT5 2.2.2.2]. */
export const property = {
  payloadFormat: 0x01,
  messageExpiry: 0x02,
  contentType: 0x03,
  responseTopic: 0x08,
  correlationData: 0x09,
  subscriptionIdentifier: 0x0b,
  sessionExpiry: 0x11,
  authenticationMethod: 0x15,
  authenticationData: 0x16,
  requestProblems: 0x17,
  willDelay: 0x18,
  requestResponse: 0x19,
  reasonString: 0x1f,
  receiveMaximum: 0x21,
  topicAliasMaximum: 0x22,
  topicAlias: 0x23,
  userProperty: 0x26,
  maximumPacketSize: 0x27,
} as const;

type Kind = "flag" | "uint16" | "uint32" | "variable" | "text" | "binary" | "pair";

const kinds: ReadonlyMap<number, Kind> = new Map<number, Kind>([
  [property.payloadFormat, "flag"],
  [property.messageExpiry, "uint32"],
  [property.contentType, "text"],
  [property.responseTopic, "text"],
  [property.correlationData, "binary"],
  [property.subscriptionIdentifier, "variable"],
  [property.sessionExpiry, "uint32"],
  [property.authenticationMethod, "text"],
  [property.authenticationData, "binary"],
  [property.requestProblems, "flag"],
  [property.willDelay, "uint32"],
  [property.requestResponse, "flag"],
  [property.reasonString, "text"],
  [property.receiveMaximum, "uint16"],
  [property.topicAliasMaximum, "uint16"],
  [property.topicAlias, "uint16"],
  [property.userProperty, "pair"],
  [property.maximumPacketSize, "uint32"],
]);

const p = property;
/** Which properties each packet of a client may carry [MQTT5 table 2-4]. */
export const allowedIn = {
  connect: new Set<number>([
    p.sessionExpiry,
    p.receiveMaximum,
    p.maximumPacketSize,
    p.topicAliasMaximum,
    p.requestResponse,
    p.requestProblems,
    p.userProperty,
    p.authenticationMethod,
    p.authenticationData,
  ]),
  will: new Set<number>([
    p.willDelay,
    p.payloadFormat,
    p.messageExpiry,
    p.contentType,
    p.responseTopic,
    p.correlationData,
    p.userProperty,
  ]),
  // [MQTT-3.3.4-6] Only a server puts a Subscription Identifier into a PUBLISH.
  publish: new Set<number>([
    p.payloadFormat,
    p.messageExpiry,
    p.topicAlias,
    p.responseTopic,
    p.correlationData,
    p.userProperty,
    p.contentType,
  ]),
  acknowledgement: new Set<number>([p.reasonString, p.userProperty]),
  subscribe: new Set<number>([p.subscriptionIdentifier, p.userProperty]),
  unsubscribe: new Set<number>([p.userProperty]),
  disconnect: new Set<number>([p.sessionExpiry, p.reasonString, p.userProperty]),
} as const;

/** User properties of a packet; of two with one name the last. */
export type Pairs = Map<string, string>;

/** Properties by identifier. User properties were checked; they are kept only where they are asked for. */
export type Properties = ReadonlyMap<number, number | string | Buffer>;

const none: Properties = new Map();
/** [MQTT5 3.1.2.11.3, 3.1.2.11.4, 3.3.2.3.4, 3.8.2.1.2] Zero is a protocol error for these. */
const neverZero: ReadonlySet<number> = new Set([p.receiveMaximum, p.maximumPacketSize, p.topicAlias, p.subscriptionIdentifier]);

/** Reads a property length and the properties: each known, allowed in this packet, at most once, of a value it may have. */
export function readProperties(fields: Fields, allowed: ReadonlySet<number>, pairs?: Pairs): Properties {
  const length = fields.variable();
  if (length === 0) return none;
  const part = fields.part(length);
  const read = new Map<number, number | string | Buffer>();
  while (part.left > 0) {
    const id = part.variable();
    const kind = kinds.get(id);
    if (kind === undefined || !allowed.has(id)) throw protocolError(`Property 0x${id.toString(16)} is not allowed in this packet.`);
    if (kind === "pair") {
      const [name, text] = [part.text(), part.text()];
      pairs?.set(name, text);
      continue;
    }
    if (read.has(id)) throw protocolError(`Property 0x${id.toString(16)} stands twice.`);
    read.set(id, readValue(part, kind, id));
  }
  return read;
}

function readValue(part: Fields, kind: Exclude<Kind, "pair">, id: number): number | string | Buffer {
  if (kind === "text") return readText(part, id);
  if (kind === "binary") return part.binary();
  const value =
    kind === "flag" ? part.byte() : kind === "uint16" ? part.uint16() : kind === "uint32" ? part.uint32() : part.variable();
  if (kind === "flag" && value > 1) throw protocolError(`Property 0x${id.toString(16)} is neither 0 nor 1.`);
  if (value === 0 && neverZero.has(id)) throw protocolError(`Property 0x${id.toString(16)} is zero.`);
  return value;
}

function readText(part: Fields, id: number): string {
  const text = part.text();
  // [MQTT-3.3.2-14] A Response Topic holds no wildcard; and [MQTT-4.7.3-1] no topic is empty.
  if (id === property.responseTopic && (text === "" || /[+#]/.test(text)))
    throw malformed("A Response Topic that is not a topic name.");
  return text;
}

/** The number of this property, or `otherwise` where it is absent. */
export function numberIn(properties: Properties, id: number, otherwise: number): number {
  const value = properties.get(id);
  return typeof value === "number" ? value : otherwise;
}
