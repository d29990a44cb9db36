import type { Scope } from "@tenfold/base";
import { type DirectedImage, signDirectorSet, statementHash, targetPath, tufKeyId } from "@tenfold/ota";
import type { TufDeps } from "./deps.ts";
import { hardwareMisfit, isOld, lifetimes, nextVersion, subjectOf } from "./repository.ts";
import { findSet, findTargets, putSet, type StoredSet } from "./store.ts";

type Directing = Pick<TufDeps, "db" | "clock" | "log" | "online" | "next" | "boardOf" | "leaveOut">;

/**
 * The director's word to a device, as of now: the stored one where it still says what the tables say, a new one otherwise. Asked with the
 * timestamp only, so that a device reads one set to its end.
 */
export async function directorSet(deps: Directing, scope: Scope, device: string): Promise<StoredSet> {
  const { db, clock, online } = deps;
  const image = await imageFor(deps, scope, device);
  const subject = subjectOf(image, tufKeyId(online.key));
  const now = clock.now();
  const stored = await findSet(db, scope, device);
  if (stored && stored.subject === subject && !isOld(stored.expires, now, lifetimes.director)) return stored;
  const version = nextVersion(stored?.version, now);
  const expires = now + lifetimes.director;
  const set = { ...(await signDirectorSet({ device, image, version, expires }, online)), subject, version, expires };
  // Recorded before it is answered: a version that a device has seen is never given away twice.
  if (await putSet(db, scope, { device, ...set })) return set;
  return (await findSet(db, scope, device)) ?? set;
}

/**
 * What the image repository lists of what the device is to do now. What it does not list is not directed at all, and neither is what is
 * listed for other hardware than the device's [Uptane 5.3.2.1]: that deployment ends here.
 */
async function imageFor(deps: Directing, scope: Scope, device: string): Promise<DirectedImage | undefined> {
  const { db, next, boardOf } = deps;
  const document = await next(device, scope);
  if (document.is !== "offer") return undefined;
  const { signed } = document.release;
  const path = targetPath(signed);
  const hash = statementHash(signed);
  const target = (await findTargets(db, scope, path)).find(({ statement }) => statement === hash);
  if (target === undefined) return undefined;
  const { deployment, rollback } = document;
  const board = await boardOf(device, scope);
  const misfit = hardwareMisfit(signed, target.hardwareIds, board);
  if (misfit !== undefined) {
    await leaveOut(deps, scope, { device, deployment, misfit });
    return undefined;
  }
  const { hardwareIds } = target;
  const { model: hardwareId } = board;
  const custom = {
    deployment,
    rollback,
    releaseCounter: target.releaseCounter,
    hardwareIds,
    ...(hardwareId === undefined ? {} : { hardwareId }),
  };
  return { path, length: target.size, sha256: target.sha256, custom };
}

type Unfit = { device: string; deployment: string; misfit: NonNullable<ReturnType<typeof hardwareMisfit>> };

/** Recorded before the device is answered: what it then does not find is explained already. */
async function leaveOut({ log, leaveOut: end }: Directing, scope: Scope, { device, deployment, misfit }: Unfit): Promise<void> {
  const { reason, detail } = misfit;
  log.warn("director.refused", { device, deployment, because: reason, detail });
  await end(scope, { device, deployment, reason, detail: `The director does not sign it for ${device}: ${detail}` });
}
