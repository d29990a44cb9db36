import type { Limits } from "../limits.ts";
import type { TopicRule } from "../topics.ts";
import type { Connect, QoS } from "./packets.ts";
import { reasons, type Violation } from "./reasons.ts";
import type { Grant } from "./write.ts";

export type ConnectVerdict = { is: "accept"; grant: Grant; keepAliveS: number } | { is: "refuse"; violation: Violation };

const refuse = (reason: number, because: string, detail: string): ConnectVerdict => ({
  is: "refuse",
  violation: { reason, because, detail },
});

type Rules = { limits: Limits; topics: TopicRule; reconnectWithinS: number };

/** Whether an admitted device may open the session that its CONNECT asks for, and what it is granted. */
export function judgeConnect(connect: Connect, device: string, rules: Rules): ConnectVerdict {
  const { clientId, version, clean } = connect;
  if (connect.authenticationMethod !== undefined)
    return refuse(
      reasons.badAuthenticationMethod,
      "authentication_method_unknown",
      "The certificate is the only authentication here.",
    );
  // [MQTT-3.1.3-8] 3.1.1 takes no empty client id with a session that is to be kept.
  if (clientId === "" && version === 4 && !clean)
    return refuse(reasons.clientIdInvalid, "client_id_invalid", "An empty client identifier needs a clean session.");
  if (clientId !== "" && clientId !== device)
    return refuse(
      reasons.clientIdInvalid,
      "client_id_invalid",
      `The client identifier must be "${device}", as in the certificate, or empty.`,
    );
  const refusal = judgeWill(connect, device, rules.topics);
  return refusal ?? { is: "accept", ...grantOf(connect, device, rules) };
}

function judgeWill({ will, version }: Connect, device: string, topics: TopicRule): ConnectVerdict | undefined {
  if (will === undefined) return undefined;
  if (topics.up(device, will.topic).is !== "own")
    return refuse(reasons.notAuthorized, "will_topic_foreign", "The will's topic is not one that this device may publish to.");
  // [MQTT-3.2.2-12, 3.2.2-13] Version 3.1.1 knows no such refusal; there the will is taken, as the single hint that it is.
  if (version === 5 && will.qos > maximumQoS)
    return refuse(reasons.qosNotSupported, "qos_not_offered", "A will with QoS 2 is not offered.");
  if (version === 5 && will.retain)
    return refuse(reasons.retainNotSupported, "retain_not_offered", "A retained will is not offered.");
  return undefined;
}

/** [MQTT5 3.2.2.3.4] */
const maximumQoS: QoS = 1;

function grantOf(
  { keepAliveS, clientId, sessionExpiryS }: Connect,
  device: string,
  { limits, reconnectWithinS }: Rules,
): { grant: Grant; keepAliveS: number } {
  const granted = keepAliveS === 0 ? limits.maxKeepAliveS : Math.min(keepAliveS, limits.maxKeepAliveS);
  const grant = {
    keepAliveS: granted === keepAliveS ? undefined : granted,
    clientId: clientId === "" ? device : undefined,
    sessionExpiryS: sessionExpiryS === 0 ? undefined : 0,
    receiveMaximum: limits.receiveMaximum,
    maximumPacketSize: limits.maxPacketBytes,
    topicAliasMaximum: limits.topicAliasMaximum,
    reconnectWithinS,
  };
  return { grant, keepAliveS: granted };
}
