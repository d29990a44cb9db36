import type { Readable } from "node:stream";
import { api } from "@tenfold/contracts";
import { guarded, type Http, serve } from "../kernel/index.ts";
import { sendArtifact, sha256From, storeArtifact } from "./artifacts.shell.ts";
import { asker } from "./asker.ts";
import { attachmentRoutes } from "./attachments/routes.ts";
import { changeRelease, reinstateRelease, retireRelease } from "./changes.shell.ts";
import type { ReleasesDeps, ReleasesParts } from "./deps.ts";
import { etagOf } from "./range.ts";
import { artifactView, keyView, releaseView, runs, type StoredRelease } from "./release.ts";
import { listKeys, pageOfReleases } from "./store.ts";
import { uploadRoutes } from "./uploads/routes.ts";
import { createRelease, createSigningKey, needRelease, revokeSigningKey } from "./writes.shell.ts";

export function routes(app: Http, deps: ReleasesParts): void {
  releaseRoutes(app, deps);
  keyRoutes(app, deps);
  artifactRoutes(app, deps);
  uploadRoutes(app, deps);
  attachmentRoutes(app, deps);
}

function releaseRoutes(app: Http, deps: ReleasesDeps): void {
  const { db, firmwareInUse } = deps;
  serve(app, api.listReleases, async ({ query, scope }) => {
    const { limit, cursor, ...wanted } = query;
    const found = await pageOfReleases(db, scope, { ...wanted, limit: limit + 1, before: cursor });
    const [page, inUse] = [found.slice(0, limit), await firmwareInUse(scope)];
    const last = page.at(-1);
    return {
      items: page.map((release) => releaseView(release, countRunning(release, inUse))),
      ...(found.length > page.length && last ? { nextCursor: last.id } : {}),
    };
  });
  serve(app, api.getRelease, async ({ params, scope }) => {
    const release = await needRelease(db, scope, params.id);
    return releaseView(release, countRunning(release, await firmwareInUse(scope)));
  });
  serve(app, api.createRelease, async ({ body, scope, actor }) => {
    const release = await createRelease(deps, { scope, actor }, body);
    return releaseView(release, countRunning(release, await firmwareInUse(scope)));
  });
  serve(app, api.changeRelease, async ({ params, body, scope, actor }) => {
    const release = await changeRelease(deps, { scope, actor }, { named: params.id, ...body });
    return releaseView(release, countRunning(release, await firmwareInUse(scope)));
  });
  serve(app, api.retireRelease, async ({ params, body, scope, actor }) => {
    const release = await retireRelease(deps, { scope, actor }, { named: params.id, reason: body.reason });
    return releaseView(release, countRunning(release, await firmwareInUse(scope)));
  });
  serve(app, api.reinstateRelease, async ({ params, body, scope, actor }) => {
    const release = await reinstateRelease(deps, { scope, actor }, { named: params.id, reason: body.reason });
    return releaseView(release, countRunning(release, await firmwareInUse(scope)));
  });
}

const countRunning = (release: StoredRelease, inUse: Awaited<ReturnType<ReleasesDeps["firmwareInUse"]>>): number =>
  inUse
    .filter((firmware) => runs(firmware, { version: release.version, sha256: release.artifact.sha256 }))
    .reduce((sum, { devices }) => sum + devices, 0);

function keyRoutes(app: Http, deps: ReleasesDeps): void {
  serve(app, api.listSigningKeys, async ({ scope }) => ({ items: (await listKeys(deps.db, scope)).map(keyView) }));
  serve(app, api.createSigningKey, async ({ body, scope, actor }) => keyView(await createSigningKey(deps, { scope, actor }, body)));
  serve(app, api.revokeSigningKey, async ({ params, body, scope, actor }) =>
    keyView(await revokeSigningKey(deps, { scope, actor }, { keyid: params.id, reason: body.reason })),
  );
}

/** Raw bytes in and out; everything else about the API is JSON. */
function artifactRoutes(app: Http, deps: ReleasesParts): void {
  // A context of its own, so that only these paths take bodies that are not JSON.
  void app.register(async (raw) => {
    raw.removeAllContentTypeParsers();
    raw.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
    raw.put(
      "/api/v1/artifacts/:sha256",
      { ...guarded("releases.write"), bodyLimit: deps.maxArtifactBytes },
      async (request, reply) => {
        // An upload without a content type is not parsed: its bytes are then still on the request itself.
        const source = (request.body as Readable | undefined) ?? request.raw;
        const { artifact, created } = await storeArtifact(deps, asker(request), { sha256: sha256From(request), source });
        return reply
          .status(created ? 201 : 200)
          .header("ETag", etagOf(artifact.sha256))
          .send(artifactView(artifact));
      },
    );
    raw.route({
      method: ["GET", "HEAD"],
      url: "/api/v1/artifacts/:sha256",
      ...guarded("releases.read"),
      handler: async (request, reply) => sendArtifact(deps, asker(request).scope, { sha256: sha256From(request), request, reply }),
    });
  });
}
