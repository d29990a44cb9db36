import { text } from "node:stream/consumers";
import { type Attachment as AttachmentView, api, type ProvenanceKey as KeyView } from "@tenfold/contracts";
import { type Http, serve } from "../../kernel/index.ts";
import type { ReleasesDeps } from "../deps.ts";
import { needRelease } from "../writes.shell.ts";
import { attachProvenance, attachSbom, detach, needAttachment, revokeProvenanceKey, trustProvenanceKey } from "./attach.shell.ts";
import { readQuestion } from "./sbom.ts";
import { type Attachment, attachmentsOf, componentsOf, findComponents, listProvenanceKeys, type ProvenanceKey } from "./store.ts";

/** SBOMs and provenance of releases, and what is in them. */
export function attachmentRoutes(app: Http, deps: ReleasesDeps): void {
  const { db, blobs } = deps;
  serve(app, api.attachSbom, async ({ params, body, scope, actor }) =>
    viewOf(
      await attachSbom(deps, { scope, actor }, { named: params.id, text: body.document }),
      await listProvenanceKeys(db, scope),
    ),
  );
  serve(app, api.attachProvenance, async ({ params, body, scope, actor }) =>
    viewOf(
      await attachProvenance(deps, { scope, actor }, { named: params.id, text: body.document }),
      await listProvenanceKeys(db, scope),
    ),
  );
  serve(app, api.listAttachments, async ({ params, scope }) => {
    const [{ id }, keys] = [await needRelease(db, scope, params.id), await listProvenanceKeys(db, scope)];
    return { items: (await attachmentsOf(db, scope, id)).map((one) => viewOf(one, keys)) };
  });
  serve(app, api.getAttachment, async ({ params, scope }) => {
    const { id } = await needRelease(db, scope, params.id);
    const one = await needAttachment(deps, scope, { release: id, id: params.attachment });
    return { ...viewOf(one, await listProvenanceKeys(db, scope)), document: await text(blobs.read(one.sha256)) };
  });
  serve(app, api.detachAttachment, async ({ params, scope, actor }) => {
    await detach(deps, { scope, actor }, { named: params.id, id: params.attachment });
    return { detached: true as const };
  });
  serve(app, api.listReleaseComponents, async ({ params, query, scope }) => {
    const { id } = await needRelease(db, scope, params.id);
    return { items: await componentsOf(db, scope, { release: id, limit: query.limit }) };
  });
  serve(app, api.findComponents, async ({ query, scope }) => ({
    items: await findComponents(db, scope, { asked: readQuestion(query), limit: query.limit }),
  }));
  serve(app, api.listProvenanceKeys, async ({ scope }) => ({ items: (await listProvenanceKeys(db, scope)).map(keyView) }));
  serve(app, api.trustProvenanceKey, async ({ body, scope, actor }) =>
    keyView(await trustProvenanceKey(deps, { scope, actor }, body)),
  );
  serve(app, api.revokeProvenanceKey, async ({ params, body, scope, actor }) =>
    keyView(await revokeProvenanceKey(deps, { scope, actor }, { keyid: params.id, reason: body.reason })),
  );
}

/** A key that was revoked since vouches for nothing any more. */
function viewOf({ createdAt, createdBy, ...one }: Attachment, keys: readonly ProvenanceKey[]): AttachmentView {
  const live = new Set(keys.filter(({ revokedAt }) => revokedAt === undefined).map(({ keyid }) => keyid));
  return {
    ...one,
    verifiedBy: one.verifiedBy.filter((keyid) => live.has(keyid)),
    by: createdBy,
    createdAt: new Date(createdAt).toISOString(),
  };
}

const keyView = ({ createdAt, revokedAt, ...key }: ProvenanceKey): KeyView => ({
  ...key,
  createdAt: new Date(createdAt).toISOString(),
  ...(revokedAt === undefined ? {} : { revokedAt: new Date(revokedAt).toISOString() }),
});
