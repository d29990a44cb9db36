import type { Scope } from "@tenfold/base";
import type { Actor, ReleaseChannel } from "@tenfold/contracts";
import type { Transaction } from "../kernel/index.ts";
import type { ReleasesDeps } from "./deps.ts";
import { releaseProblems } from "./errors.ts";
import type { StoredRelease } from "./release.ts";
import { clearRetirement, lockRelease, markRetired, writeDetails } from "./store.ts";
import { needRelease } from "./writes.shell.ts";

type Who = { scope: Scope; actor: Actor };
type Changing = Pick<ReleasesDeps, "db" | "audit" | "clock">;
type Named = { named: string; reason: string };

/** No rollout may use it any more. Retiring twice is no error; the first reason stands. */
export async function retireRelease(deps: Changing, { scope, actor }: Who, { named, reason }: Named): Promise<StoredRelease> {
  return change(deps, { scope, actor }, { named, action: "release.retired", detail: { reason } }, (tx, { id }) =>
    markRetired(tx, scope, { id, retirement: { at: deps.clock.now(), by: actor.name, because: reason } }),
  );
}

/** Takes a retirement back. One that was not retired stays as it is. */
export async function reinstateRelease(deps: Changing, { scope, actor }: Who, { named, reason }: Named): Promise<StoredRelease> {
  return change(deps, { scope, actor }, { named, action: "release.reinstated", detail: { reason } }, (tx, { id }) =>
    clearRetirement(tx, scope, id),
  );
}

/** Another channel, at any time; other notes only as long as nobody can have acted on them. */
export async function changeRelease(
  deps: Changing,
  { scope, actor }: Who,
  { named, ...wanted }: { named: string; channel?: ReleaseChannel | undefined; notes?: string | undefined },
): Promise<StoredRelease> {
  const detail: Record<string, unknown> = {};
  return change(deps, { scope, actor }, { named, action: "release.changed", detail }, async (tx, release) => {
    const { channel = release.channel, notes = release.notes } = wanted;
    if (notes !== release.notes && release.usedAt !== undefined)
      throw releaseProblems.release_in_use(
        `A rollout took ${release.name} ${release.version} at ${new Date(release.usedAt).toISOString()}; its notes stay as they were then.`,
        { field: "notes", fix: "Say it in the notes of the next release." },
      );
    if (channel !== release.channel) Object.assign(detail, { channel: { was: release.channel, is: channel } });
    if (notes !== release.notes) Object.assign(detail, { notes: "changed" });
    if (Object.keys(detail).length === 0) return false;
    await writeDetails(tx, scope, { id: release.id, channel, notes });
    return true;
  });
}

type Step = { named: string; action: string; detail: Readonly<Record<string, unknown>> };

/** One change of one release, locked; audited where it changed something. */
async function change(
  { db, audit }: Changing,
  { scope, actor }: Who,
  { named, action, detail }: Step,
  apply: (tx: Transaction, release: StoredRelease) => Promise<boolean>,
): Promise<StoredRelease> {
  return db.transaction().execute(async (tx) => {
    const { id } = await needRelease(tx, scope, named);
    const release = (await lockRelease(tx, scope, id)) ?? (await needRelease(tx, scope, id));
    if (!(await apply(tx, release))) return release;
    await audit(tx, scope, {
      actor,
      action,
      subject: { kind: "release", id },
      detail: { name: release.name, version: release.version, ...detail },
    });
    return needRelease(tx, scope, id);
  });
}
