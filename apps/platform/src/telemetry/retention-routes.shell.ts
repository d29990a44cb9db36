import { api } from "@tenfold/contracts";
import { type Http, serve } from "../kernel/index.ts";
import { createHold, readHolds, releaseHold } from "./holds.shell.ts";
import { applyRetention, previewRetention, type RetentionDeps } from "./retention.shell.ts";
import { readDeletions, readPolicy, readSizes } from "./retention-store.shell.ts";

/** The operations of contracts/src/api/retention.ts. */
export function retentionRoutes(app: Http, deps: RetentionDeps): void {
  const { db, store } = deps;
  serve(app, api.getRetention, async ({ scope }) => ({
    ...(await readPolicy(db, scope)),
    classes: await readSizes(store),
    holds: await readHolds(db, scope),
    deletions: await readDeletions(db, scope),
  }));

  serve(app, api.previewRetention, async ({ body, scope }) => ({ items: await previewRetention(deps, scope, body.keepDays) }));

  serve(app, api.applyRetention, async ({ body, scope, actor }) => {
    const deletions = await applyRetention(deps, scope, { wish: body.keepDays, reason: body.reason, actor });
    return { keepDays: (await readPolicy(db, scope)).keepDays, deletions };
  });

  serve(app, api.createHold, ({ body, scope, actor }) => createHold(deps, scope, { ...body, actor }));

  serve(app, api.releaseHold, ({ params: { id }, body: { reason }, scope, actor }) =>
    releaseHold(deps, scope, { id, reason, actor }),
  );
}
