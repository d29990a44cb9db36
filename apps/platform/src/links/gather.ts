import type { Scope } from "@tenfold/base";
import type { DocumentTopic } from "@tenfold/contracts";

/** What each of these devices finds at a topic now. A device for which nothing stands there is not in the answer. */
export type ReadDocuments = (
  devices: readonly string[],
  scope: Scope,
  topic: DocumentTopic,
) => Promise<ReadonlyMap<string, string>>;

type Group = { devices: Set<string>; answer: Promise<ReadonlyMap<string, string>> };

/**
 * Asks for one device, and for all that are asked about in the same turn of the event loop together: when many come back at once, or a stage of many
 * is told, that is a few questions and not thousands. A reading always begins after it was asked for, so the answer is never older than the question.
 */
export function gatherDocuments(read: ReadDocuments, turn: () => Promise<void>) {
  const waiting = new Map<string, Group>();
  const begin = (scope: Scope, topic: DocumentTopic): Group => {
    const key = `${scope.fleet}/${topic}`;
    const devices = new Set<string>();
    const answer = turn().then(() => {
      if (waiting.get(key)?.devices === devices) waiting.delete(key);
      return read([...devices], scope, topic);
    });
    const group = { devices, answer };
    waiting.set(key, group);
    return group;
  };
  return async (device: string, scope: Scope, topic: DocumentTopic): Promise<string | undefined> => {
    const open = waiting.get(`${scope.fleet}/${topic}`);
    const group = open !== undefined && open.devices.size < mostAtOnce ? open : begin(scope, topic);
    group.devices.add(device);
    return (await group.answer).get(device);
  };
}

/** Devices of one question. */
const mostAtOnce = 500;
