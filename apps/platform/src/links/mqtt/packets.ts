/** Packets as the gate gives them out: complete, well-formed, and of the kinds that a client may send. */

export type Version = 4 | 5;
export type QoS = 0 | 1 | 2;

export type Will = { topic: string; payload: Buffer; qos: QoS; retain: boolean };

export type Connect = {
  is: "connect";
  version: Version;
  clientId: string;
  /** Clean Session (3.1.1), Clean Start (5). */
  clean: boolean;
  /** Seconds; 0 asks for none. */
  keepAliveS: number;
  will: Will | undefined;
  /** Seconds. */
  sessionExpiryS: number;
  /** How many unacknowledged QoS 1 messages the client takes. */
  receiveMaximum: number;
  /** The largest packet the client takes, bytes. */
  maximumPacketSize: number;
  /** Whether the client wants reason strings on acknowledgements. */
  wantsReasons: boolean;
  /** MQTT 5 enhanced authentication, which is not offered. */
  authenticationMethod: string | undefined;
};

export type Publish = {
  is: "publish";
  qos: QoS;
  retain: boolean;
  /** Empty when only the alias was sent. */
  topic: string;
  /** 0 at QoS 0. */
  packetId: number;
  /** 0 where none was sent. */
  alias: number;
  /** User properties, where there are any. */
  pairs: ReadonlyMap<string, string> | undefined;
  /** A view into the bytes that arrived. */
  payload: Buffer;
};

export type Subscribe = { is: "subscribe"; packetId: number; identifier: number; filters: { filter: string; qos: QoS }[] };
export type Unsubscribe = { is: "unsubscribe"; packetId: number; filters: string[] };
export type Acknowledgement = { is: "puback" | "pubrec" | "pubrel" | "pubcomp"; packetId: number; reason: number };
export type Disconnect = { is: "disconnect"; reason: number; sessionExpiryS: number };

export type Packet = Connect | Publish | Subscribe | Unsubscribe | Acknowledgement | Disconnect | { is: "pingreq" };
