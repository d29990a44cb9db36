/**
 * Stands where a hawkBit would stand: its management API on one side, and for clients that speak HTTP and tokens the way to the platform's DDI
 * endpoint. It decides nothing about updates: requests of devices go on as they are, with the device's certificate in place of the token.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { request } from "node:https";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { createClient } from "@tenfold/contracts";
import type { RunningPlatform } from "../../running-platform.ts";
import { agentFor, type DevicePort } from "./as-device.ts";
import { createManagement, type Management } from "./management.ts";
import { createTargets, type Target, type Targets } from "./targets.ts";

export type Front = AsyncDisposable & {
  /** The Unix socket on which it listens: other network namespaces reach it there. */
  socket: string;
};

type Parts = { port: DevicePort; targets: Targets; management: Management; nobody: ReturnType<typeof agentFor> };

export async function startFront(platform: RunningPlatform, { socket, ca }: { socket: string; ca: string }): Promise<Front> {
  const port = { url: platform.deviceUrl, ca };
  const api = createClient({ baseUrl: platform.url, token: platform.token });
  const targets = createTargets(platform, { api, port });
  const management = await createManagement(platform, { api, port, targets });
  const parts = { port, targets, management, nobody: agentFor(port, undefined) };
  const server = createServer((asked, answer) => {
    serve(parts, asked, answer).catch((error: unknown) => fail(answer, error));
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    socket,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function serve(parts: Parts, asked: IncomingMessage, answer: ServerResponse): Promise<void> {
  const url = new URL(asked.url ?? "/", "http://front");
  if (!url.pathname.startsWith("/rest/v1/")) return forward(parts, asked, answer);
  const { status, body } = await parts.management({
    method: asked.method ?? "GET",
    path: url.pathname.slice("/rest/v1/".length),
    query: url.searchParams,
    type: asked.headers["content-type"] ?? "",
    body: await buffer(asked),
  });
  answer.writeHead(status, { "Content-Type": "application/hal+json" }).end(body === undefined ? undefined : JSON.stringify(body));
}

function fail(answer: ServerResponse, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  if (answer.headersSent) answer.destroy();
  else answer.writeHead(500, { "Content-Type": "application/json" }).end(JSON.stringify({ message }));
}

async function forward(parts: Parts, asked: IncomingMessage, answer: ServerResponse): Promise<void> {
  const { port, nobody } = parts;
  // Who shows nothing that is known comes without a certificate, and it is the platform that refuses him.
  const agent = presentedBy(parts, asked)?.agent ?? nobody;
  const { authorization: _token, ...headers } = asked.headers;
  const said = await new Promise<IncomingMessage>((resolve, reject) => {
    const asking = request(new URL(asked.url ?? "/", port.url), { method: asked.method, headers, agent, timeout: 60_000 }, resolve);
    asking.on("error", reject);
    pipeline(asked, asking).catch(reject);
  });
  const passed = { ...said.headers };
  if (!/hal\+json/.test(said.headers["content-type"] ?? "")) {
    answer.writeHead(said.statusCode ?? 502, passed);
    // The client may go before it has all: a cancelled download is no failure of the front.
    return pipeline(said, answer).catch(() => undefined);
  }
  const body = asSeenFrom(asked, await buffer(said));
  answer.writeHead(said.statusCode ?? 502, { ...passed, "content-length": String(body.length) }).end(body);
}

/** Links begin with `https://` (DDI 2.3); a client that came by HTTP is shown the way that it came. */
function asSeenFrom({ headers }: IncomingMessage, body: Buffer): Buffer {
  const encrypted = headers["x-forwarded-proto"] === "https";
  return encrypted ? body : Buffer.from(body.toString("utf8").replaceAll(`https://${headers.host}/`, `http://${headers.host}/`));
}

/** hawkBit's three ways to say who one is: a target's token, the gateways' token, and a proxy that has seen a certificate. */
function presentedBy({ targets, management }: Parts, { url = "", headers }: IncomingMessage): Target | undefined {
  const [, id = ""] = /^\/[^/]+\/controller\/v1\/([^/?]+)/.exec(url) ?? [];
  const target = targets.find(id);
  if (target === undefined) return undefined;
  const { authorization = "" } = headers;
  const gateway = management.setting("authentication.gatewaytoken.key");
  if (authorization === `TargetToken ${target.token}`) return target;
  if (gateway !== undefined && authorization === `GatewayToken ${gateway}`) return target;
  const authority = management.setting("authentication.header.authority");
  const vouched = management.setting("authentication.header.enabled") === true && headers["x-authority-1"] === authority;
  return vouched && authority !== undefined && headers["x-controller-id"] === id ? target : undefined;
}
