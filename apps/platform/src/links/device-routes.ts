import { Problem } from "@tenfold/base";
import type { DocumentTopic, UpChannel } from "@tenfold/contracts";
import type { FastifyReply, FastifyRequest } from "fastify";
import { type DeviceHttp, tlsSocketOf } from "../kernel/index.ts";
import { mostLines, readBatch } from "./batch.ts";
import type { Endpoint } from "./endpoint.ts";
import { linkProblems } from "./errors.ts";
import type { HttpLinks } from "./http.shell.ts";
import type { Identity, Received, UpMessage } from "./link.ts";
import { type Sequence, sequenceOf, unreadableSequence } from "./sequence.ts";
import { unpack } from "./unpack.shell.ts";

/** `callers`: who was admitted with which request. */
type Parts = { endpoint: Endpoint; links: HttpLinks; callers: WeakMap<FastifyRequest, Identity> };

const batchPath = "/v1/batch";

type Up = { channel: UpChannel; id?: string };

/** The devices' HTTPS paths of the links: the same messages as over MQTT, for devices that only speak HTTPS (docs/protocol/https.md). */
export function deviceRoutes(app: DeviceHttp, { endpoint, links }: Omit<Parts, "callers">): void {
  const { limits } = endpoint;
  const parts: Parts = { endpoint, links, callers: new WeakMap() };
  app.register(async (scope) => {
    // [H4] The payload says what it is by its first byte; the media type is not looked at.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      "*",
      { parseAs: "buffer", bodyLimit: limits.maxPacketBytes },
      async (request: FastifyRequest, body: Buffer) =>
        unpack(body, request.headers["content-encoding"], request.url === batchPath ? limits.maxBatchBytes : limits.maxPacketBytes),
    );
    // Who asks is known before a byte of the body is read.
    scope.addHook("onRequest", async (request, reply) => {
      try {
        parts.callers.set(request, await links.admit(tlsSocketOf(request)));
      } catch (error) {
        reply.header("Connection", "close");
        throw error;
      }
    });
    scope.post(batchPath, (request) => batch(request, parts));
    for (const channel of ["telemetry", "heartbeat", "events", "logs"] as const)
      scope.post(`/v1/${channel}`, (request) => up(request, { channel }, parts));
    scope.route({ method: ["POST", "PATCH"], url: "/v1/state", handler: (request) => up(request, { channel: "state" }, parts) });
    scope.post<WithId>("/v1/deployments/:id", (request) => up(request, { channel: "deployment", id: idOf(request) }, parts));
    scope.post<WithId>("/v1/commands/:id/result", (request) => up(request, { channel: "command", id: idOf(request) }, parts));
    scope.get("/v1/deployments/next", (request, reply) => down(request, reply, { topic: "deployments/next", parts }));
    scope.get("/v1/commands", (request) => commandsOf(request, parts));
    scope.get("/v1/state", (request, reply) => down(request, reply, { topic: "state/desired", parts }));
    scope.get("/v1/identity", (request, reply) => down(request, reply, { topic: "identity", parts }));
  });
}

type WithId = { Params: { id: string } };

function idOf({ params: { id } }: FastifyRequest<WithId>): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(id) && id !== "next") return id;
  throw linkProblems.device_topic_unknown(`"${id.slice(0, 80)}" is not an id that the platform gave out.`);
}

/** The device that was admitted when the request began. */
function callerOf(request: FastifyRequest, { callers }: Parts): Identity {
  const identity = callers.get(request);
  if (identity === undefined) throw linkProblems.device_not_admitted("The connection was closed.");
  return identity;
}

async function up(request: FastifyRequest, to: Up, parts: Parts): Promise<{ stored: true }> {
  const { endpoint } = parts;
  const payload = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const sequence = sequenceOf(headerOf(request, "tenfold-seq"), headerOf(request, "tenfold-boot"));
  if (sequence === "unreadable") throw new Problem({ code: "sequence_invalid", status: 422 }, unreadableSequence);
  endpoint.contact(callerOf(request, parts));
  return answer(await store(request, { ...to, payload, ...(sequence ? { sequence } : {}) }, parts));
}

type Content = Up & { payload: Buffer; sequence?: Sequence };

async function store(request: FastifyRequest, content: Content, parts: Parts): Promise<Received> {
  const { endpoint, links } = parts;
  const { device, scope } = callerOf(request, parts);
  const socket = tlsSocketOf(request);
  const { remoteAddress } = socket;
  const message: UpMessage = {
    device,
    scope,
    ...content,
    receivedAt: endpoint.now(),
    transport: "https",
    connection: socket,
    ...(remoteAddress === undefined ? {} : { remoteAddress }),
  };
  const received = await links.store(content.payload.length, () => endpoint.receive(message));
  endpoint.counted({ transport: "https", channel: content.channel, result: received.is }, 1);
  return received;
}

type BatchAnswer = { stored: number; refused: { line: number; code: string; detail: string }[] };

/** [H10] Each line is a message of its own; they are stored together. */
async function batch(request: FastifyRequest, parts: Parts): Promise<BatchAnswer> {
  const lines = Buffer.isBuffer(request.body) ? readBatch(request.body) : [];
  if (lines.length > mostLines) throw linkProblems.batch_too_long(`A batch has at most ${mostLines} lines, this one has more.`);
  parts.endpoint.contact(callerOf(request, parts));
  parts.links.spend(tlsSocketOf(request), lines.length - 1);
  const results = await Promise.all(
    lines.map(async (line): Promise<Received> => {
      if (line.is === "refused") return line;
      const { is: _, ...content } = line;
      return await store(request, content, parts);
    }),
  );
  const unavailable = results.find((result) => result.is === "unavailable");
  if (unavailable) throw linkProblems.intake_unavailable(unavailable.detail, { retryAfterS: 5 });
  const refused = results.flatMap((result, at) =>
    result.is === "refused" ? [{ line: at + 1, code: result.because, detail: result.detail }] : [],
  );
  return { stored: lines.length - refused.length, refused };
}

const headerOf = ({ headers }: FastifyRequest, name: string): string | undefined => {
  const value = headers[name];
  return Array.isArray(value) ? value.join(",") : value;
};

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
async function commandsOf(request: FastifyRequest, parts: Parts): Promise<{ commands: unknown[] }> {
  const { endpoint } = parts;
  const { device, scope, ...identity } = callerOf(request, parts);
  endpoint.contact({ device, scope, ...identity });
  const waiting = await endpoint.pending(device, scope);
  return { commands: waiting.map(({ payload }) => JSON.parse(payload) as unknown) };
}

type Down = { topic: DocumentTopic; parts: Parts };

async function down(request: FastifyRequest, reply: FastifyReply, { topic, parts }: Down): Promise<FastifyReply> {
  const { endpoint } = parts;
  const { device, scope, ...identity } = callerOf(request, parts);
  endpoint.contact({ device, scope, ...identity });
  const document = await endpoint.downlink(device, scope, topic);
  if (document === undefined) return await reply.status(204).send();
  return await reply.header("Content-Type", "application/json").header("Cache-Control", "no-store").send(document);
}
