/** MQTT 5 reason codes that this endpoint sends [MQTT5 2.4]. */
export const reasons = {
  success: 0x00,
  noSubscriptionExisted: 0x11,
  unspecified: 0x80,
  malformedPacket: 0x81,
  protocolError: 0x82,
  implementationSpecific: 0x83,
  unsupportedVersion: 0x84,
  clientIdInvalid: 0x85,
  notAuthorized: 0x87,
  serverUnavailable: 0x88,
  serverBusy: 0x89,
  serverShuttingDown: 0x8b,
  badAuthenticationMethod: 0x8c,
  keepAliveTimeout: 0x8d,
  sessionTakenOver: 0x8e,
  topicFilterInvalid: 0x8f,
  topicNameInvalid: 0x90,
  receiveMaximumExceeded: 0x93,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  quotaExceeded: 0x97,
  administrativeAction: 0x98,
  payloadFormatInvalid: 0x99,
  retainNotSupported: 0x9a,
  qosNotSupported: 0x9b,
  sharedSubscriptionsNotSupported: 0x9e,
  connectionRateExceeded: 0x9f,
} as const;

/** MQTT 3.1.1 CONNACK return codes [MQTT3 3.2.2.3]. */
export const returnCodes = {
  accepted: 0,
  unacceptableVersion: 1,
  identifierRejected: 2,
  serverUnavailable: 3,
  badUserNameOrPassword: 4,
  notAuthorized: 5,
} as const;

/** What a device sent breaks the standard, or asks for what this endpoint does not offer. */
export type Violation = { reason: number; because: string; detail: string };

/** Thrown by the readers below the gate and caught at its door: nowhere else. */
export class BadPacket extends Error {
  readonly violation: Violation;

  constructor(violation: Violation) {
    super(violation.detail);
    this.violation = violation;
  }
}

export const malformed = (detail: string): BadPacket =>
  new BadPacket({ reason: reasons.malformedPacket, because: "packet_malformed", detail });
export const protocolError = (detail: string): BadPacket =>
  new BadPacket({ reason: reasons.protocolError, because: "protocol_error", detail });
