import { api } from "@tenfold/contracts";
import { type Http, serve } from "../kernel/index.ts";
import { applyDeadLetter, type DeadLetterDeps, discardDeadLetter, listDeadLetters } from "./dead-letter.shell.ts";

/** The operations of contracts/src/api/dead-letters.ts. */
export function deadLetterRoutes(app: Http, deps: DeadLetterDeps): void {
  serve(app, api.listDeadLetters, async ({ scope, query: { limit, cursor, device } }) => {
    const found = await listDeadLetters(deps.db, scope, { limit: limit + 1, before: cursor, device });
    const items = found.slice(0, limit);
    const last = items.at(-1);
    return found.length > limit && last !== undefined ? { items, nextCursor: last.id } : { items };
  });
  serve(app, api.applyDeadLetter, ({ scope, params: { id }, actor }) => applyDeadLetter(deps, scope, { id, actor }));
  serve(app, api.discardDeadLetter, async ({ scope, params: { id }, body: { reason }, actor }) => {
    await discardDeadLetter(deps, scope, { id, actor, reason });
    return { discarded: true as const };
  });
}
