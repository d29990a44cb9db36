import type { TLSSocket } from "node:tls";
import { Problem } from "@tenfold/base";
import type { UpChannel } from "@tenfold/contracts";
import type { FastifyReply, FastifyRequest } from "fastify";
import { type DeviceHttp, tlsSocketOf } from "../kernel/index.ts";
import type { Endpoint } from "./endpoint.ts";
import { linkProblems } from "./errors.ts";
import type { HttpLinks } from "./http.shell.ts";
import type { Identity, Received } from "./link.ts";
import { sequenceOf, unreadableSequence } from "./sequence.ts";

type Parts = { endpoint: Endpoint; links: HttpLinks };
type Up = { channel: UpChannel; id?: string };

/** The devices' HTTPS paths of the links: the same messages as over MQTT, for devices that only speak HTTPS (docs/protocol/https.md). */
export function deviceRoutes(app: DeviceHttp, parts: Parts): void {
  app.register(async (scope) => {
    // [H4] The payload says what it is by its first byte; the media type is not looked at.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      "*",
      { parseAs: "buffer", bodyLimit: parts.endpoint.limits.maxPacketBytes },
      (_request, body, done) => done(null, body),
    );
    for (const channel of ["telemetry", "heartbeat", "events", "logs"] as const)
      scope.post(`/v1/${channel}`, (request) => up(request, { channel }, parts));
    scope.route({ method: ["POST", "PATCH"], url: "/v1/state", handler: (request) => up(request, { channel: "state" }, parts) });
    scope.post<WithId>("/v1/deployments/:id", (request) => up(request, { channel: "deployment", id: idOf(request) }, parts));
    scope.post<WithId>("/v1/commands/:id/result", (request) => up(request, { channel: "command", id: idOf(request) }, parts));
    scope.get("/v1/deployments/next", (request, reply) => down(request, reply, { topic: "deployments/next", parts }));
    scope.get("/v1/commands", (request) => commandsOf(request, parts));
    scope.get("/v1/state", (request, reply) => down(request, reply, { topic: "state/desired", parts }));
  });
}

type WithId = { Params: { id: string } };

function idOf({ params: { id } }: FastifyRequest<WithId>): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(id) && id !== "next") return id;
  throw linkProblems.device_topic_unknown(`"${id.slice(0, 80)}" is not an id that the platform gave out.`);
}

async function up(request: FastifyRequest, to: Up, { endpoint, links }: Parts): Promise<{ stored: true }> {
  const socket = tlsSocketOf(request);
  const identity = await links.admit(socket);
  const payload = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const sequence = sequenceOf(headerOf(request, "tenfold-seq"), headerOf(request, "tenfold-boot"));
  if (sequence === "unreadable") throw new Problem({ code: "sequence_invalid", status: 422 }, unreadableSequence);
  endpoint.contact(identity);
  const message = messageOf({ identity, to, payload, socket, at: endpoint.now() });
  const received = await links.store(payload.length, () => endpoint.receive(sequence ? { ...message, sequence } : message));
  endpoint.counted({ transport: "https", channel: to.channel, result: received.is });
  return answer(received);
}

const headerOf = ({ headers }: FastifyRequest, name: string): string | undefined => {
  const value = headers[name];
  return Array.isArray(value) ? value.join(",") : value;
};

type Message = { identity: Identity; to: Up; payload: Buffer; socket: TLSSocket; at: number };

function messageOf({ identity: { device, scope }, to, payload, socket: { remoteAddress }, at }: Message) {
  return {
    device,
    scope,
    ...to,
    payload,
    receivedAt: at,
    transport: "https" as const,
    ...(remoteAddress === undefined ? {} : { remoteAddress }),
  };
}

/** [H5] 200 says that the message is durable. */
function answer(received: Received): { stored: true } {
  switch (received.is) {
    case "stored":
      return { stored: true };
    case "refused":
      throw new Problem({ code: received.because, status: 422 }, received.detail);
    case "unavailable":
      throw linkProblems.intake_unavailable(received.detail, { retryAfterS: 5 });
  }
}

/** [C11] The commands that wait, oldest first. That they were fetched proves nothing: only a result does. */
async function commandsOf(request: FastifyRequest, { endpoint, links }: Parts): Promise<{ commands: unknown[] }> {
  const { device, scope, ...identity } = await links.admit(tlsSocketOf(request));
  endpoint.contact({ device, scope, ...identity });
  const waiting = await endpoint.pending(device, scope);
  return { commands: waiting.map(({ payload }) => JSON.parse(payload) as unknown) };
}

type Down = { topic: "deployments/next" | "state/desired"; parts: Parts };

async function down(
  request: FastifyRequest,
  reply: FastifyReply,
  { topic, parts: { endpoint, links } }: Down,
): Promise<FastifyReply> {
  const { device, scope, ...identity } = await links.admit(tlsSocketOf(request));
  endpoint.contact({ device, scope, ...identity });
  const document = await endpoint.downlink(device, scope, topic);
  if (document === undefined) return await reply.status(204).send();
  return await reply.header("Content-Type", "application/json").header("Cache-Control", "no-store").send(document);
}
