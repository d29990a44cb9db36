import { minutes, seconds } from "@tenfold/base";

/**
 * What one device, and all of them together, may ask of the endpoints. Every limit is one that a peer lacked and was brought down
 * by (docs/decisions/0005-own-mqtt-endpoint.md). Sizes are bytes, lengths of time are milliseconds unless the name says otherwise.
 */
export type Limits = {
  /** The largest MQTT packet, header included, and the largest HTTPS body. Judged by the declared length, before a byte of it is kept. */
  maxPacketBytes: number;
  /** The largest body of many messages over HTTPS, unpacked. */
  maxBatchBytes: number;
  /** The largest packet of a connection that has not yet been admitted. */
  firstPacketBytes: number;
  /** From the end of the TLS handshake to an answered CONNECT. */
  connectMs: number;
  /** The same for a connection whose certificate was refused: long enough to be told so, and no longer. */
  unwelcomeMs: number;
  /** How many times a second one device may connect on the average, and how many times at once; beyond, it is told "rate exceeded". */
  connectsPerS: number;
  connectBurst: number;
  /** The shortest stretch of time over which devices are told to spread their coming back, seconds. */
  reconnectWithinS: number;
  /** Devices that come back a second, for the stretch that many of them are told. */
  reconnectsPerS: number;
  /** MQTT connections at one time; a CONNECT beyond them is told "quota exceeded". */
  maxConnections: number;
  maxSubscriptions: number;
  /** The longest keep-alive granted, seconds. A longer one, or none (0), is replaced by this. */
  maxKeepAliveS: number;
  maxTopicBytes: number;
  maxTopicLevels: number;
  /** QoS 1 messages of one device that may wait for their acknowledgement (MQTT 5 Receive Maximum; more is a protocol error there). */
  receiveMaximum: number;
  /** Messages of one connection under way to storage, of any QoS; beyond, its socket is no longer read. */
  maxUnderWay: number;
  /** Bytes of one connection under way to storage; beyond, its socket is no longer read. */
  maxUnderWayBytes: number;
  /** Bytes of all connections under way to storage; beyond, no socket is read. */
  maxTotalBytes: number;
  /** Packets (or requests) a second that one device may send on the average. Beyond, its socket is no longer read; nothing is dropped. */
  ratePerS: number;
  /** Packets (or requests) that one device may send at once after a pause. */
  burst: number;
  /** MQTT 5 topic aliases a device may set. */
  topicAliasMaximum: number;
  /** Messages to one device that wait for its acknowledgement. */
  maxDownUnacknowledged: number;
  /** Messages to one device that wait for their turn; a newer one on the same topic replaces an older one. */
  maxDownWaiting: number;
  /** Bytes written to one device that it has not read; beyond, its connection is closed. */
  maxUnreadBytes: number;
  /** How long a device may owe the acknowledgement of what it was sent, while nothing at all is heard of it. */
  maxUnansweredMs: number;
  /** After this silence the kernel asks the other end of a TCP connection whether it is still there. */
  probeMs: number;
  /** How long storage may answer nothing before a connection that waits for it is closed, so that the device sends again. */
  storeMs: number;
  /** How long a closed connection may take to read its farewell. */
  lingerMs: number;
  /** How often a live connection's certificate is judged again, so that an expiry, or a revocation that was not heard of, ends it. */
  readmitMs: number;
  /** How long a verdict on a certificate holds for further requests on the same HTTPS connection. */
  verdictMs: number;
  /**
   * How long an admission may be remembered for the device's next connections, and how many are. Whatever bars a device empties the memory
   * at once; this is for what was not heard of.
   */
  rememberVerdictMs: number;
  maxVerdicts: number;
  /** When a document that has changed could not be read, it is tried again this often. */
  rereadMs: number;
  /** The contact of one device is told at most this often. */
  contactMs: number;
};

export const defaultLimits: Limits = {
  maxPacketBytes: 256 * 1024,
  maxBatchBytes: 1024 * 1024,
  firstPacketBytes: 2 * 1024,
  connectMs: seconds(5),
  unwelcomeMs: seconds(1),
  connectsPerS: 0.2,
  connectBurst: 20,
  reconnectWithinS: 5,
  reconnectsPerS: 300,
  maxConnections: 60_000,
  maxSubscriptions: 20,
  maxKeepAliveS: 1_200,
  maxTopicBytes: 256,
  maxTopicLevels: 8,
  receiveMaximum: 256,
  maxUnderWay: 512,
  maxUnderWayBytes: 1024 * 1024,
  maxTotalBytes: 128 * 1024 * 1024,
  ratePerS: 100,
  burst: 1_000,
  topicAliasMaximum: 10,
  maxDownUnacknowledged: 16,
  maxDownWaiting: 100,
  maxUnreadBytes: 1024 * 1024,
  maxUnansweredMs: minutes(1),
  probeMs: minutes(1),
  storeMs: seconds(30),
  lingerMs: seconds(1),
  readmitMs: minutes(15),
  verdictMs: seconds(3),
  rememberVerdictMs: minutes(1),
  maxVerdicts: 100_000,
  rereadMs: seconds(5),
  contactMs: seconds(10),
};

/** The one timer's step: everything that waits is looked at this often. */
export const tickMs = 250;

/** How many ticks a length of time takes: at least one. */
export const ticksOf = (ms: number): number => Math.max(1, Math.ceil(ms / tickMs));
