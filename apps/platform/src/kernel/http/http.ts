import cookie from "@fastify/cookie";
import swagger from "@fastify/swagger";
import { deepestJson, type Scope } from "@tenfold/base";
import { type Actor, may, type Operation, type Permission, type Role } from "@tenfold/contracts";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { createJsonSchemaTransform, validatorCompiler } from "fastify-type-provider-zod";
import { z } from "zod";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Database } from "../postgres/index.ts";
import { isBodyTooDeep } from "./depth.ts";
import { drains } from "./drain.ts";
import { etags } from "./etag.ts";
import { idempotency } from "./idempotency.ts";
import { answerProblem, httpProblems, sendProblem } from "./problems.ts";

export type Http = FastifyInstance;

/** Who asks. */
export type Identity = { actor: Actor; role: Role; scope: Scope };

/** Finds out who asks from a bearer token or a session cookie; undefined when nobody is signed in. Throws a Problem for a bad token. */
export type Authenticate = (request: FastifyRequest) => Promise<Identity | undefined>;

export type HttpOptions = {
  log: Log;
  authenticate: Authenticate;
  version: string;
  /** In tests each answer is held against its schema; in production it is only written out (measured: 1.35 to 3 times faster). */
  answers: "validate" | "stringify";
  /** Where requests with an Idempotency-Key are remembered; without it the header is left alone. */
  remember?: { db: Database; clock: Clock };
};

declare module "fastify" {
  // biome-ignore lint/style/useConsistentTypeDefinitions: only an interface can be added to.
  interface FastifyRequest {
    identity: Identity | undefined;
  }
  // biome-ignore lint/style/useConsistentTypeDefinitions: only an interface can be added to.
  interface FastifyContextConfig {
    permission?: Permission | "anyone";
    operation?: Operation;
  }
}

const bodyLimit = 32 * 1024 * 1024;

/** The operator API's server, with no route yet. Every route under /api/ must say who may call it, or it is refused at start. */
export async function createHttp({ log, authenticate, version, answers, remember }: HttpOptions): Promise<Http> {
  const app = fastify({
    logger: false,
    bodyLimit,
    requestTimeout: 60_000,
    connectionTimeout: 120_000,
    forceCloseConnections: "idle",
    routerOptions: { maxParamLength: 300 },
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(({ schema }) =>
    answers === "validate"
      ? (value) => JSON.stringify((schema as unknown as z.ZodType).parse(value))
      : (value) => JSON.stringify(value),
  );
  app.setErrorHandler(answerProblem(log));
  app.setNotFoundHandler((request, reply) =>
    sendProblem(
      reply,
      httpProblems.route_unknown(`Nothing is served at ${request.method} ${request.url.split("?")[0]}.`, {
        fix: "The API's paths are listed at /api/openapi.json.",
      }),
    ),
  );
  app.decorateRequest("identity", undefined);
  app.addHook("onRoute", (route) => {
    if (route.url.startsWith("/api/") && route.config?.permission === undefined)
      throw new Error(`Route ${route.url} does not say who may call it.`);
  });
  app.addHook("onRequest", async (request) => {
    const wanted = request.routeOptions.config.permission;
    if (wanted === undefined) return;
    request.identity = await authenticate(request);
    if (wanted !== "anyone") assertMay(request.identity, wanted);
  });
  app.addHook("preValidation", async (request) => {
    // A stream is no document: its route reads it.
    if (request.routeOptions.config.operation && isBodyTooDeep(request.body))
      throw httpProblems.body_unreadable(`The body is nested deeper than ${deepestJson} levels.`);
  });
  drains(app);
  etags(app);
  if (remember) idempotency(app, { ...remember, log });
  await app.register(cookie);
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Tenfold operator API", version, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
    },
    transform: createJsonSchemaTransform({ skipList: [] }),
  });
  return app;
}

function assertMay(identity: Identity | undefined, wanted: Permission): void {
  if (identity === undefined)
    throw httpProblems.not_signed_in("This needs somebody who is signed in.", {
      fix: "Send `Authorization: Bearer tf_…`, or sign in through a link from `npx tenfold open`.",
    });
  if (!may(identity.role, wanted))
    throw httpProblems.not_allowed(`${identity.actor.name} has the role ${identity.role}, which may not ${wanted}.`, {
      fix: "Ask an administrator for a role that may.",
    });
}

/** What a raw route (a stream, SSE) puts into its options, so that it is protected like an operation. */
export const guarded = (permission: Permission | "anyone") => ({ config: { permission } });

export type Answered<Op extends Operation> = z.input<Op["response"]>;

export type Asked<Op extends Operation> = {
  params: z.output<Op["params"]>;
  query: z.output<Op["query"]>;
  body: z.output<Op["body"]>;
  actor: Actor;
  identity: Identity | undefined;
  scope: Scope;
  request: FastifyRequest;
  reply: FastifyReply;
};

const nobody: Actor = { kind: "system", id: "nobody", name: "nobody" };

/** Serves an operation of the contracts: permission, validation (unknown keys are errors), answer and OpenAPI entry all come from it. */
export function serve<Op extends Operation>(app: Http, operation: Op, handle: (asked: Asked<Op>) => Promise<Answered<Op>>): void {
  const has = (part: z.ZodType) => !(part instanceof z.ZodUndefined);
  app.route({
    method: operation.method,
    url: `/api/v1${operation.path}`,
    config: { permission: operation.permission, operation },
    schema: {
      operationId: operation.name,
      summary: operation.summary,
      querystring: has(operation.query) ? strict(operation.query) : z.strictObject({}),
      ...(has(operation.params) ? { params: operation.params } : {}),
      ...(has(operation.body) ? { body: strict(operation.body) } : {}),
      response: { [operation.status]: operation.response },
    },
    handler: async (request, reply) => {
      const { identity } = request;
      const answer = await handle({
        // Fastify has validated these parts with this operation's own schemas.
        params: request.params as z.output<Op["params"]>,
        query: request.query as z.output<Op["query"]>,
        body: request.body as z.output<Op["body"]>,
        actor: identity?.actor ?? nobody,
        identity,
        scope: identity?.scope ?? { fleet: "main" },
        request,
        reply,
      });
      return reply.status(operation.status).send(answer);
    },
  });
}

const strict = (schema: z.ZodType): z.ZodType => (schema instanceof z.ZodObject ? schema.strict() : schema);
