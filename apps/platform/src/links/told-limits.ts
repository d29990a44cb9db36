import type { ToldLimit } from "@tenfold/contracts";
import type { HandshakeLimits } from "../kernel/index.ts";
import type { Limits } from "./limits.ts";

type Telling = Omit<ToldLimit, "name" | "value">;

/** Every limit of the endpoints in words. The compiler sees to it that none is missing. */
const endpoint = {
  maxPacketBytes: {
    unit: "bytes",
    means: "The largest MQTT packet and HTTPS body; a larger one is refused by its declared length (0x95, 413).",
    clause: "M16",
  },
  maxBatchBytes: { unit: "bytes", means: "The largest body of many messages over HTTPS, unpacked; beyond it 413.", clause: "H10" },
  firstPacketBytes: {
    unit: "bytes",
    means: "The largest packet before a device is let in; beyond it the connection ends.",
    clause: "M2",
  },
  connectMs: { unit: "ms", means: "From the end of the TLS handshake to CONNECT; then the connection ends.", clause: "M2" },
  unwelcomeMs: { unit: "ms", means: "The same for one whose certificate is refused.", clause: "M2" },
  connectsPerS: {
    unit: "per second",
    means: "How often one device may connect on the average; beyond it 0x9F.",
    clause: "M23",
  },
  connectBurst: { unit: "count", means: "How often one device may connect at once after a pause.", clause: "M23" },
  reconnectWithinS: {
    unit: "s",
    means: "The shortest stretch over which devices are told to spread their coming back.",
    clause: "M23",
  },
  reconnectsPerS: {
    unit: "per second",
    means: "Devices that come back, for the stretch that many of them are told.",
    clause: "M23",
    setting: "handshakes.per.second",
  },
  maxConnections: {
    unit: "count",
    means: "MQTT connections at one time; a CONNECT beyond them is answered 0x97.",
    setting: "mqtt.max.connections",
  },
  maxSubscriptions: { unit: "count", means: "Subscriptions of one device; beyond them SUBACK 0x97.", clause: "M8" },
  maxKeepAliveS: { unit: "s", means: "The longest keep-alive; a longer one, or none, is replaced by it.", clause: "M18" },
  maxTopicBytes: { unit: "bytes", means: "The longest topic; a longer one ends the connection.", clause: "M11" },
  maxTopicLevels: { unit: "count", means: "Levels of a topic; more end the connection.", clause: "M11" },
  receiveMaximum: {
    unit: "count",
    means: "Unacknowledged messages of one device; more end an MQTT 5 connection (0x93), a 3.1.1 socket is left unread.",
    clause: "M15",
  },
  maxUnderWay: {
    unit: "count",
    means: "Messages of one connection under way to storage; beyond them its socket is left unread.",
    clause: "M15",
  },
  maxUnderWayBytes: { unit: "bytes", means: "The same in bytes.", clause: "M15" },
  maxTotalBytes: {
    unit: "bytes",
    means: "Bytes of all connections under way to storage; beyond them no socket is read and no CONNECT let in (0x97).",
    clause: "M15",
  },
  ratePerS: {
    unit: "per second",
    means: "Packets or requests of one device on the average; beyond it its socket is read more slowly (HTTPS: 429).",
    clause: "M15",
    setting: "device.messages.per.second",
  },
  burst: { unit: "count", means: "The same at once after a pause.", clause: "M15", setting: "device.burst" },
  topicAliasMaximum: { unit: "count", means: "Topic aliases of one connection; beyond them 0x94.", clause: "M16" },
  maxDownUnacknowledged: { unit: "count", means: "Messages to one device that wait for its PUBACK.", clause: "M17" },
  maxDownWaiting: {
    unit: "count",
    means: "Messages to one device that wait for their turn; the newest of a topic replaces older ones.",
    clause: "M17",
  },
  maxUnreadBytes: {
    unit: "bytes",
    means: "Bytes that a device has not read; beyond them its connection is closed.",
    clause: "M21",
  },
  maxUnansweredMs: {
    unit: "ms",
    means: "How long a device may owe an acknowledgement and say nothing; then it is taken for gone (0x8D).",
    clause: "M18",
  },
  probeMs: { unit: "ms", means: "Silence after which TCP asks the other end whether it is there.", clause: "M18" },
  storeMs: {
    unit: "ms",
    means: "How long storage may owe an answer; then the connection is closed (0x89) and the device sends again.",
    clause: "M21",
  },
  lingerMs: { unit: "ms", means: "How long a closed connection may take to read its farewell." },
  readmitMs: { unit: "ms", means: "How often the certificate of a live connection is judged again.", clause: "M3" },
  verdictMs: { unit: "ms", means: "How long a verdict holds for further requests on one HTTPS connection.", clause: "H1" },
  rememberVerdictMs: {
    unit: "ms",
    means: "How long an admission is remembered for the next connection, unless anybody is barred.",
    clause: "M3",
  },
  maxVerdicts: { unit: "count", means: "Admissions that are remembered.", clause: "M3" },
  rereadMs: { unit: "ms", means: "How often a changed document that cannot be read is tried again.", clause: "M17" },
  contactMs: { unit: "ms", means: "How often a device's contact is noted, at most." },
} as const satisfies Record<keyof Limits, Telling>;

const handshakes = {
  perSecond: {
    unit: "per second",
    means: "TLS handshakes that begin; further connections wait unread.",
    clause: "M2",
    setting: "handshakes.per.second",
  },
  burst: {
    unit: "count",
    means: "TLS handshakes that begin at once after a pause.",
    clause: "M2",
    setting: "handshakes.per.second",
  },
  maxWaiting: {
    unit: "count",
    means:
      "Connections that have not said hello, and as many that wait for their turn; beyond them the newest of the address with the most is closed.",
    clause: "M2",
  },
  maxBegun: {
    unit: "count",
    means:
      "TLS handshakes that are not done; beyond them the oldest of the address with the most is closed for one with fewer, and others wait.",
    clause: "M2",
  },
  handshakeMs: {
    unit: "ms",
    means: "From a connection to its whole ClientHello, and from its turn to the end of its handshake; then it is closed.",
    clause: "M2",
  },
  maxBytes: { unit: "bytes", means: "What a peer may send until its handshake is done.", clause: "M2" },
} as const satisfies Record<keyof HandshakeLimits, Telling>;

/** The limits in force, each with its name, its value, and what happens beyond it. */
export function tellLimits(limits: Limits, ofHandshakes: HandshakeLimits): ToldLimit[] {
  // The keys are those of the tables, which the compiler holds against the types.
  const named = <Name extends string>(table: Record<Name, Telling>, values: Record<Name, number>, prefix: string) =>
    (Object.keys(table) as Name[]).map((name) => ({ name: `${prefix}.${name}`, value: values[name], ...table[name] }));
  return [...named(endpoint, limits, "links"), ...named(handshakes, ofHandshakes, "handshakes")];
}
