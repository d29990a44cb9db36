import { api } from "@tenfold/contracts";
import { guarded, type Http, serve } from "../kernel/index.ts";
import type { CrashesDeps } from "./deps.ts";
import { crashProblems } from "./errors.ts";
import { findCrash, pageOfCrashes, signaturesOf, unpin } from "./store.ts";

export function routes(app: Http, { db, blobs, audit, clock, keepMs }: CrashesDeps): void {
  serve(app, api.listCrashes, async ({ query, scope }) => {
    const { limit, cursor, ...filter } = query;
    const found = await pageOfCrashes(db, scope, { ...filter, limit: limit + 1, before: cursor });
    const items = found.slice(0, limit);
    const last = items.at(-1);
    return { items, ...(found.length > items.length && last ? { nextCursor: last.id } : {}) };
  });
  serve(app, api.listCrashSignatures, async ({ query, scope }) => ({
    items: await signaturesOf(db, scope, { ...query, limit: 100 }),
  }));
  serve(app, api.releaseCrashes, async ({ body, scope, actor }) => {
    const at = clock.now();
    const released = await db.transaction().execute(async (tx) => {
      const count = await unpin(tx, scope, { ...body, actor, at, keepUntil: at + keepMs });
      await audit(tx, scope, {
        actor,
        action: "crashes.released",
        subject: { kind: "rollout", id: body.rollout },
        detail: { reason: body.reason, crashes: count },
      });
      return count;
    });
    return { released };
  });
  app.get("/api/v1/crashes/:id/bytes", guarded("telemetry.read"), async (request, reply) => {
    const { id = "" } = request.params as { id?: string };
    // `guarded` lets nobody through who is not signed in.
    const found = await findCrash(db, request.identity?.scope ?? { fleet: "main" }, id);
    if (found === undefined)
      throw crashProblems.crash_unknown(`There is no crash "${id.slice(0, 64)}".`, { fix: "See `tenfold device crashes ID`." });
    if (found.removedAt !== undefined || (await blobs.stat(found.sha256)) === undefined)
      throw crashProblems.crash_bytes_removed(
        `The bytes of ${found.id} were kept until ${found.keepUntil ?? "they were removed"}.`,
      );
    return reply
      .headers({
        "Content-Type": "application/octet-stream",
        "Content-Length": found.size,
        // What a device sent is never shown by a browser.
        "Content-Disposition": `attachment; filename="${found.device}-${found.kind}-${found.sha256.slice(0, 12)}"`,
        "X-Content-Type-Options": "nosniff",
      })
      .send(blobs.read(found.sha256));
  });
}
