import type { Readable } from "node:stream";
import type { Scope } from "@tenfold/base";
import type { FastifyRequest } from "fastify";
import type { DeviceHttp } from "../kernel/index.ts";
import type { CrashesDeps } from "./deps.ts";
import { kindOf, takeCrash, toldBy } from "./take.shell.ts";

/** `PUT /v1/crash/{kind}` and `POST`: the bytes as they are, streamed (docs/operate/crash-evidence.md). */
export function deviceRoutes(app: DeviceHttp, deps: CrashesDeps): void {
  // A context of its own, in which a body is a stream whatever its media type says.
  void app.register(async (raw) => {
    const callers = new WeakMap<FastifyRequest, { device: string; scope: Scope }>();
    raw.removeAllContentTypeParsers();
    raw.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
    // Who asks is known before a byte of the body is read.
    raw.addHook("onRequest", async (request, reply) => {
      try {
        callers.set(request, await deps.admitRequest(request));
      } catch (error) {
        reply.header("Connection", "close");
        throw error;
      }
    });
    raw.route({
      method: ["POST", "PUT"],
      url: "/v1/crash/:kind",
      bodyLimit: deps.maxBytes,
      handler: async (request) => {
        const { device, scope } = callers.get(request) ?? (await deps.admitRequest(request));
        const source = (request.body as Readable | undefined) ?? request.raw;
        const { crash } = await takeCrash(deps, scope, { device, kind: kindOf(request), told: toldBy(request), source });
        return { stored: true, crash: crash.id, sha256: crash.sha256 };
      },
    });
  });
}
