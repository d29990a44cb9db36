import type { CrashesDeps } from "./deps.ts";
import { dueCrashes, lockBytes, markRemoved } from "./store.ts";

const batch = 100;

/** Gives up what is older than it is kept, and nothing that is pinned. First the row says so, then the bytes go; dying in between leaves bytes that the next put finds. */
export async function removeOld({ db, blobs, clock, log }: CrashesDeps, signal?: AbortSignal): Promise<void> {
  for (;;) {
    const due = await dueCrashes(db, { at: clock.now(), limit: batch });
    for (const { scope, id, sha256 } of due) {
      if (signal?.aborted) return;
      await db.transaction().execute(async (tx) => {
        await lockBytes(tx, sha256);
        if (await markRemoved(tx, scope, { id, sha256, at: clock.now() })) await blobs.remove(sha256);
      });
      log.info("crash.removed", { crash: id });
    }
    if (due.length < batch) return;
  }
}
