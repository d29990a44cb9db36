/** The topics of a device, all below `devices/{id}/` (docs/protocol/mqtt.md). */
export const upTopics = ["telemetry", "heartbeat", "events", "logs", "state/reported"] as const;
export const downTopics = ["deployments/next", "state/desired", "identity"] as const;
export type DocumentTopic = (typeof downTopics)[number];
/** Answers to what a device asked on this connection; nothing stands there for who comes later. */
export const answerTopics = ["identity/certificate"] as const;
export type AnswerTopic = (typeof answerTopics)[number];

/**
 * What kind of message came up. `deployment` and `command` carry the id that stood in the topic. `renewal` is answered at once and not
 * kept as a message; all others are.
 */
export type UpChannel = "telemetry" | "heartbeat" | "events" | "logs" | "state" | "deployment" | "command" | "renewal";

/** Ids that may stand in a certificate's CN and in a topic: 1 to 64 letters, digits, `.`, `_`, `:`, `-`, not starting with a mark. */
export const deviceIdPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;

export const topicOf = (device: string, rest: string): string => `devices/${device}/${rest}`;

/** Reads what stands below `devices/{id}/` of an upward topic; undefined when no such topic exists. */
export function parseUpTopic(rest: string): { channel: UpChannel; id?: string } | undefined {
  switch (rest) {
    case "telemetry":
    case "heartbeat":
    case "events":
    case "logs":
      return { channel: rest };
    case "state/reported":
      return { channel: "state" };
    case "identity/renewal":
      return { channel: "renewal" };
  }
  const deployment = /^deployments\/([A-Za-z0-9_-]{1,64})$/.exec(rest)?.[1];
  if (deployment !== undefined && deployment !== "next") return { channel: "deployment", id: deployment };
  const command = /^commands\/([A-Za-z0-9_-]{1,64})\/result$/.exec(rest)?.[1];
  return command === undefined ? undefined : { channel: "command", id: command };
}
