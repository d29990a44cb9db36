import { Agent } from "node:https";
import { deviceProblems } from "./errors.ts";
import { ask, type DeviceServer, type Identity, readAtMost } from "./https.ts";
import type { MetadataTalk } from "./metadata.ts";

const idleMs = 10_000;
/** A file that comes slower than this is given up: 1 kB/s would take all day for a large one. */
const longestMs = 120_000;

/** Metadata from the platform's device endpoint over one TLS connection, with the device's operational certificate. */
export function talkMetadata({
  server,
  identity,
  device,
}: {
  server: DeviceServer;
  identity: Identity;
  device: string;
}): MetadataTalk {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    async fetch(name, maxBytes) {
      const path = `/tuf/${name.replace(/^director\//, `director/${encodeURIComponent(device)}/`)}`;
      const signal = AbortSignal.timeout(longestMs);
      try {
        const answer = await ask({ server, identity, path, idleMs, agent, signal });
        const status = answer.statusCode ?? 0;
        // A byte more than allowed, so that the reader sees that it was too much.
        const body = await readAtMost(answer, status === 200 ? maxBytes + 1 : 65_536);
        if (status === 200) return body;
        if (status === 404) return undefined;
        throw new Error(`It was answered with ${status}.`);
      } catch (cause) {
        throw deviceProblems.metadata_unreachable(`${path} could not be had.`, { cause });
      }
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
    },
  };
}
