import type { Scope } from "@tenfold/base";
import type { Actor, ReleaseStatement } from "@tenfold/contracts";
import {
  makeSnapshot,
  makeTimestamp,
  metaFileOf,
  releaseTrustOf,
  signMetadata,
  statementHash,
  type Trust,
  targetPath,
} from "@tenfold/ota";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { TufDeps } from "./deps.ts";
import { tufProblems } from "./errors.ts";
import {
  delegatorOf,
  isOld,
  judgeRoot,
  judgeTargets,
  lifetimes,
  nextVersion,
  type Repository,
  type UploadRefusal,
} from "./repository.ts";
import {
  dropOldSnapshots,
  findFile,
  findTargets,
  lockRepository,
  newestFile,
  newestFiles,
  putFile,
  replaceTargets,
  type StoredFile,
} from "./store.ts";

type Changing = Pick<TufDeps, "db" | "audit" | "clock" | "online">;
type Who = { scope: Scope; actor: Actor };

/** Takes the next root of a repository in, by the rules that devices follow. The same root again changes nothing. */
export async function putRoot(
  { db, audit, clock, online }: Changing,
  { scope, actor }: Who,
  { repository, text }: { repository: Repository; text: string },
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await lockRepository(tx, scope, repository);
    const now = clock.now();
    const current = (await newestFiles(tx, scope, repository)).get("root");
    if (current?.metadata === text) return;
    const verdict = judgeRoot(text, { repository, current: current?.metadata, online: online.key, now });
    if (verdict.is === "refuse") throw refused(verdict);
    const { version, expires } = verdict;
    await putFile(tx, scope, { repository, name: `${version}.root.json`, role: "root", version, metadata: text, expires, at: now });
    await audit(tx, scope, {
      actor,
      action: "metadata.root_published",
      subject: { kind: "metadata", id: `${repository}/root` },
      detail: { version, expires: new Date(expires).toISOString() },
    });
    if (repository === "image") await signImage(tx, scope, { online, now });
  });
}

/** Takes the next targets file of a role in, and names it in a new snapshot. The same file again changes nothing. */
export async function putTargets(
  { db, audit, clock, online }: Changing,
  { scope, actor }: Who,
  { role, text }: { role: string; text: string },
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await lockRepository(tx, scope, "image");
    const now = clock.now();
    const files = await newestFiles(tx, scope, "image");
    const current = files.get(role);
    if (current?.metadata === text) return;
    const delegator = delegatorOf(role, { root: files.get("root")?.metadata, targets: files.get("targets")?.metadata });
    const verdict = judgeTargets(text, { role, delegator, currentVersion: current?.version, now });
    if (verdict.is === "refuse") throw refused(verdict);
    const { version, expires, images } = verdict;
    const name = `${version}.${encodeURIComponent(role)}.json`;
    await putFile(tx, scope, { repository: "image", name, role, version, metadata: text, expires, at: now });
    await replaceTargets(tx, scope, { role, images });
    await audit(tx, scope, {
      actor,
      action: "metadata.targets_published",
      subject: { kind: "metadata", id: `image/${role}` },
      detail: { version, images: images.length, expires: new Date(expires).toISOString() },
    });
    await signImage(tx, scope, { online, now });
  });
}

/** Signs a snapshot of what is there, and a timestamp for it. Without targets there is nothing to name yet. */
async function signImage(
  tx: Transaction,
  scope: Scope,
  { online, now }: { online: TufDeps["online"]; now: number },
): Promise<void> {
  const files = await newestFiles(tx, scope, "image");
  const roles = [...files.values()].filter(({ role }) => !["root", "snapshot", "timestamp"].includes(role));
  if (!files.has("targets")) return;
  const meta = Object.fromEntries(roles.map(({ role, metadata, version }) => [`${role}.json`, metaFileOf(metadata, version)]));
  const version = nextVersion(files.get("snapshot")?.version, now);
  const expires = now + lifetimes.snapshot;
  const metadata = await signMetadata(makeSnapshot({ version, expires, meta }), [online]);
  const name = `${version}.snapshot.json`;
  await putFile(tx, scope, { repository: "image", name, role: "snapshot", version, metadata, expires, at: now });
  await dropOldSnapshots(tx, scope, 16);
  await signTimestamp(tx, scope, { online, now, before: files.get("timestamp"), snapshot: { metadata, version } });
}

type Stamp = {
  online: TufDeps["online"];
  now: number;
  before: StoredFile | undefined;
  snapshot: Pick<StoredFile, "metadata" | "version">;
};

async function signTimestamp(tx: Transaction, scope: Scope, { online, now, before, snapshot }: Stamp): Promise<StoredFile> {
  const version = nextVersion(before?.version, now);
  const expires = now + lifetimes.timestamp;
  const wish = { version, expires, snapshot: metaFileOf(snapshot.metadata, snapshot.version) };
  const metadata = await signMetadata(makeTimestamp(wish), [online]);
  const file = { name: "timestamp.json", role: "timestamp", version, metadata, expires };
  await putFile(tx, scope, { repository: "image", ...file, at: now });
  return file;
}

/** The image repository's timestamp, signed anew when it is getting old. A poll that changes nothing signs nothing. */
export async function freshTimestamp({ db, clock, online }: Changing, scope: Scope): Promise<string | undefined> {
  const now = clock.now();
  // Every device asks for it, so nothing else is read. A snapshot lives much longer, and is looked at whenever a timestamp is signed.
  const seen = await findFile(db, scope, { repository: "image", name: "timestamp.json" });
  if (seen === undefined || !isOld(seen.expires, now, lifetimes.timestamp)) return seen?.metadata;
  return db.transaction().execute(async (tx) => {
    await lockRepository(tx, scope, "image");
    const files = await newestFiles(tx, scope, "image");
    const [timestamp, snapshot] = [files.get("timestamp"), files.get("snapshot")];
    // Somebody else was faster.
    if (!isStale(files, now) || snapshot === undefined) return timestamp?.metadata;
    if (isOld(snapshot.expires, now, lifetimes.snapshot)) await signImage(tx, scope, { online, now });
    else return (await signTimestamp(tx, scope, { online, now, before: timestamp, snapshot })).metadata;
    return (await newestFiles(tx, scope, "image")).get("timestamp")?.metadata;
  });
}

function isStale(files: ReadonlyMap<string, StoredFile>, now: number): boolean {
  const [timestamp, snapshot] = [files.get("timestamp"), files.get("snapshot")];
  if (timestamp === undefined || snapshot === undefined) return false;
  return isOld(timestamp.expires, now, lifetimes.timestamp) || isOld(snapshot.expires, now, lifetimes.snapshot);
}

/** Whether a release stands in the image repository, and whose signatures it then needs. */
export type Standing = { is: "no_repository" } | { is: "listed"; trust: Trust } | { is: "unlisted"; detail: string };

export async function standingOf(on: Queryable, scope: Scope, statement: ReleaseStatement): Promise<Standing> {
  const root = await newestFile(on, scope, { repository: "image", role: "root" });
  if (root === undefined) return { is: "no_repository" };
  const path = targetPath(statement);
  const { sha256, size } = statement.artifact;
  const found = await findTargets(on, scope, path);
  const fits = found.find((one) => one.sha256 === sha256 && one.size === size && one.statement === statementHash(statement));
  // Only a delegation makes it necessary to read the list itself.
  const targets =
    fits && fits.role !== "targets" ? await newestFile(on, scope, { repository: "image", role: "targets" }) : undefined;
  const delegator = fits && delegatorOf(fits.role, { root: root.metadata, targets: targets?.metadata });
  if (fits && delegator)
    return { is: "listed", trust: releaseTrustOf({ keys: delegator.keys, role: { ...delegator.role, name: fits.role } }) };
  const detail =
    found.length > 0
      ? `The image repository lists ${path} with other bytes or another statement.`
      : `The image repository does not list ${path}.`;
  return { is: "unlisted", detail };
}

export function refused({ because, detail }: UploadRefusal): Error {
  const fixes: Partial<Record<UploadRefusal["because"], string>> = {
    out_of_order: "Get what the server has with `tenfold tuf status`, and sign the next version.",
    online_key_missing: "Name the server's key: `tenfold tuf online --out online.json`, then `tenfold tuf root rotate`.",
    no_root: "Publish the root first.",
    metadata_signature_invalid: "Let the missing signers sign: `tenfold tuf sign FILE --key KEY`.",
    metadata_expired: "Sign a version with a later end.",
  };
  const fix = fixes[because];
  const options = { field: "metadata", ...(fix ? { fix } : {}) };
  if (because === "out_of_order") return tufProblems.metadata_out_of_order(detail, options);
  if (because === "online_key_missing") return tufProblems.metadata_online_key_missing(detail, options);
  if (because === "no_root") return tufProblems.repository_not_set_up(detail, options);
  return tufProblems.metadata_refused(`${because}: ${detail}`, options);
}
