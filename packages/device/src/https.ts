import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { type Agent, request } from "node:https";
import { Readable } from "node:stream";
import type { TlsKey } from "@tenfold/pki";

/** The platform's device endpoint as a device knows it: where, and which authority may vouch for it. Nothing else is trusted. */
export type DeviceServer = { readonly url: string; readonly ca: string };

/** A certificate in PEM, which may go on with the chain, with its private key: PEM too, or one that stays in a token or a TPM. */
export type Identity = { readonly cert: string } & TlsKey;

export type Ask = {
  readonly server: DeviceServer;
  readonly path: string;
  readonly method?: "GET" | "POST" | "PUT";
  readonly identity?: Identity | undefined;
  readonly headers?: OutgoingHttpHeaders;
  /** A stream's length stands in `headers`. */
  readonly body?: string | Readable;
  /** Milliseconds of silence after which the request is given up. */
  readonly idleMs: number;
  /** Keeps a connection for several requests in a row; left out, the request has one of its own. */
  readonly agent?: Agent;
  readonly signal?: AbortSignal | undefined;
};

/**
 * One request on a connection of its own; resolves with the answer's head. No agent and no pool: a device asks seldom, and the
 * connection must show the certificate that is current now.
 */
export function ask({
  server,
  path,
  method = "GET",
  identity,
  headers = {},
  body,
  idleMs,
  signal,
  agent,
}: Ask): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = request(new URL(path, server.url), {
    method,
    agent: agent ?? false,
    ca: server.ca,
    minVersion: "TLSv1.2",
    headers: {
      ...(agent ? {} : { Connection: "close" }),
      ...(typeof body === "string" ? { "Content-Length": Buffer.byteLength(body) } : {}),
      ...headers,
    },
    ...(identity ?? {}),
    ...(signal ? { signal } : {}),
  });
  sent.setTimeout(idleMs, () => sent.destroy(new Error(`No answer for ${idleMs / 1_000} s.`)));
  sent.once("response", resolve);
  sent.once("error", reject);
  if (body instanceof Readable) body.once("error", (error) => sent.destroy(error)).pipe(sent);
  else sent.end(body);
  return promise;
}

/** The beginning of a body: `most` bytes at most, and then no more is read. */
export async function readAtMost(answer: IncomingMessage, most: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= most) break;
  }
  return Buffer.concat(chunks).subarray(0, most);
}

/** The whole body, at most `maxBytes`. */
export async function readBody(answer: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`The answer has more than ${maxBytes} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
