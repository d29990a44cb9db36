/** Requests to the platform's device port with a device's certificate. */
import type { IncomingMessage } from "node:http";
import { Agent, type RequestOptions, request } from "node:https";
import { text } from "node:stream/consumers";

export type Identity = { key: string; cert: string };

/** Where devices are served, and by which CA they know it (PEM). */
export type DevicePort = { url: string; ca: string };

export const agentFor = ({ ca }: DevicePort, identity: Identity | undefined): Agent =>
  new Agent({ keepAlive: true, maxSockets: 8, ca, ...(identity ? { key: identity.key, cert: identity.cert } : {}) });

type Asking = Pick<RequestOptions, "method" | "headers" | "agent"> & { path: string; body?: unknown };

/** Resolves to the JSON of an answer; throws what the platform said where it is not 200. */
export async function askAsDevice(port: DevicePort, { path, body, ...options }: Asking): Promise<unknown> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const asking = request(new URL(path, port.url), { ...options, timeout: 30_000 }, resolve);
    asking.on("error", reject);
    asking.on("timeout", () => asking.destroy(new Error(`no answer to ${path} within 30 s`)));
    asking.end(body === undefined ? undefined : JSON.stringify(body));
  });
  const said = await text(answer);
  if (answer.statusCode !== 200) throw new Error(`${options.method ?? "GET"} ${path}: ${answer.statusCode} ${said}`);
  return JSON.parse(said);
}
