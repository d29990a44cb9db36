import { Agent, request } from "node:https";
import type { Device, Doors } from "../../apps/platform/test/fleet.ts";

export type Answer = { status: number; headers: NodeJS.Dict<string | string[]>; bytes: Buffer; json: Json };
// The tests look into answers wherever they like; a missing part is undefined there.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Json = any;

export type Asked = { method?: string; body?: unknown; headers?: Record<string, string> };

export type DdiClient = {
  /** Below `/{fleet}/controller/v1/{id}`. A body that is no text is sent as JSON. */
  ask(path: string, asked?: Asked): Promise<Answer>;
  /** Any path, or an absolute link of an answer. */
  askUrl(url: string, asked?: Asked): Promise<Answer>;
  /** Lets its connections go. */
  close(): void;
};

/** A client of the wire rules: HTTP over mutual TLS, and nothing else. */
export function ddiClient(doors: Doors, device: Device | undefined, base = `/main/controller/v1/${device?.id}`): DdiClient {
  // The platform closes kept connections when it stops.
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 8,
    ca: doors.ca,
    ...(device ? { cert: device.cert, key: device.key } : {}),
  });
  const askUrl = (url: string, { method = "GET", body, headers = {} }: Asked = {}) =>
    new Promise<Answer>((resolve, reject) => {
      const outgoing = request(
        new URL(url, doors.deviceUrl),
        {
          method,
          agent,
          servername: "localhost",
          headers: { ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
          timeout: 20_000,
        },
        (incoming) => {
          const parts: Buffer[] = [];
          incoming.on("data", (part: Buffer) => parts.push(part));
          incoming.on("error", reject);
          incoming.on("end", () => {
            const bytes = Buffer.concat(parts);
            resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, bytes, json: jsonOf(bytes) });
          });
        },
      );
      outgoing.on("error", reject);
      outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer to ${method} ${url} within 20 s`)));
      outgoing.end(body === undefined || typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body));
    });
  return { ask: (path, asked) => askUrl(`${base}${path}`, asked), askUrl, close: () => agent.destroy() };
}

function jsonOf(bytes: Buffer): Json {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}
