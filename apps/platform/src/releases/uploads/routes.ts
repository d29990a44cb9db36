import type { Readable } from "node:stream";
import { api, type Upload as UploadView } from "@tenfold/contracts";
import type { FastifyReply, FastifyRequest } from "fastify";
import { guarded, type Http, serve } from "../../kernel/index.ts";
import { asker } from "../asker.ts";
import { releaseProblems } from "../errors.ts";
import { openUploads, type Upload } from "./store.ts";
import { assertVersion, offsetStream, readCreation, readOffset, tusExtensions, tusVersion } from "./tus.ts";
import { appendBytes, beginUpload, discard, needUpload, type UploadDeps } from "./uploads.shell.ts";

const path = "/api/v1/uploads";
/** Uploads that are taken in at the same time; each holds two pieces in memory at most. */
const mostAtOnce = 8;

/** tus 1.0: `POST` begins, `HEAD` asks how far it is, `PATCH` goes on, `DELETE` gives up (docs/protocol/http-api.md, A20). */
export function uploadRoutes(app: Http, deps: UploadDeps): void {
  serve(app, api.listUploads, async ({ scope }) => ({ items: (await openUploads(deps.db, scope)).map(viewOf) }));
  void app.register(async (raw) => {
    let underWay = 0;
    raw.removeAllContentTypeParsers();
    raw.addContentTypeParser(offsetStream, (_request, payload, done) => done(null, payload));
    raw.addHook("onRequest", async ({ method, headers }, reply) => {
      reply.headers({ "Tus-Resumable": tusVersion, "Tus-Version": tusVersion, "Cache-Control": "no-store" });
      if (method !== "OPTIONS") assertVersion(headers);
    });
    raw.options(path, guarded("releases.read"), async (_request, reply) =>
      reply
        .status(204)
        .headers({ "Tus-Extension": tusExtensions, "Tus-Max-Size": String(deps.maxArtifactBytes) })
        .send(),
    );
    raw.post(path, guarded("releases.write"), async (request, reply) => {
      const upload = await beginUpload(deps, asker(request), readCreation(request.headers));
      return tell(reply.status(201).header("Location", `${path}/${upload.id}`), upload).send();
    });
    raw.head(`${path}/:id`, guarded("releases.write"), async (request, reply) => {
      const upload = await needUpload(deps, asker(request), idOf(request));
      return tell(reply.status(200), upload).send();
    });
    raw.patch(`${path}/:id`, { ...guarded("releases.write"), bodyLimit: deps.maxArtifactBytes }, async (request, reply) => {
      if (underWay >= mostAtOnce) throw releaseProblems.upload_busy(`${underWay} uploads are being taken in.`, { retryAfterS: 1 });
      underWay += 1;
      try {
        const of = { id: idOf(request), offset: readOffset(request.headers), source: bytesOf(request) };
        return tell(reply.status(204), await appendBytes(deps, asker(request), of)).send();
      } finally {
        underWay -= 1;
      }
    });
    raw.delete(`${path}/:id`, guarded("releases.write"), async (request, reply) => {
      await discard(deps, (await needUpload(deps, asker(request), idOf(request))).id);
      return reply.status(204).send();
    });
  });
}

function tell(reply: FastifyReply, { received, size, expiresAt }: Upload): FastifyReply {
  return reply.headers({
    "Upload-Offset": String(received),
    "Upload-Length": String(size),
    "Upload-Expires": new Date(expiresAt).toUTCString(),
  });
}

const idOf = (request: FastifyRequest): string => (request.params as { id: string }).id;

// The parser above hands the body on as it comes.
function bytesOf(request: FastifyRequest): Readable {
  if (request.body === undefined)
    throw releaseProblems.upload_header_invalid(`The bytes must come as ${offsetStream}.`, { field: "headers.content-type" });
  return request.body as Readable;
}

const viewOf = ({ createdAt, expiresAt, completed: _, actor, ...rest }: Upload): UploadView => ({
  ...rest,
  by: actor,
  createdAt: new Date(createdAt).toISOString(),
  expiresAt: new Date(expiresAt).toISOString(),
});
