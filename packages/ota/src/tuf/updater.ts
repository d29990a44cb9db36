import { covers, mostRolesVisited } from "./delegation.ts";
import { type DelegatedRole, mostBytes, type TargetFile } from "./metadata.ts";
import { attempt, type MetadataRefusal } from "./refusal.ts";
import {
  type Delegation,
  freshRoot,
  keptSnapshot,
  namedInSnapshot,
  nextRoot,
  openTrusted,
  recallSnapshot,
  recallTimestamp,
  type Step,
  type Trusted,
  topTargets,
  withSnapshot,
  withTargets,
  withTimestamp,
} from "./trusted.ts";

/** Files that were believed, letter for letter: what a client keeps between two updates. */
export type StoredMetadata = {
  readonly root: string;
  readonly timestamp?: string | undefined;
  readonly snapshot?: string | undefined;
  /** By role name. */
  readonly targets?: Readonly<Record<string, string>> | undefined;
};

/**
 * Where files come from: `2.root.json`, `timestamp.json`, …. Resolves to undefined where there is none, and rejects where asking failed:
 * that is nobody's refusal, and another try may help. It must not hand over more than `maxBytes` + 1 bytes.
 */
export type MetadataSource = (name: string, maxBytes: number) => Promise<Uint8Array | undefined>;

export type Refreshed = {
  verdict: { is: "fresh"; trusted: Trusted } | MetadataRefusal;
  /** To be kept in any case: what was believed before something was refused stays believed [TUF 5.3.8 and others]. */
  stored: StoredMetadata;
};

/** [TUF 5.3] A repository that keeps inventing roots must not keep a client for ever. */
const mostRoots = 256;

/** The client's workflow [TUF 5], from what is stored to fresh top-level targets. `now` is milliseconds of a clock that the caller trusts. */
export async function refresh(stored: StoredMetadata, source: MetadataSource, now: number): Promise<Refreshed> {
  const opened = openTrusted(Buffer.from(stored.root));
  if (opened.is === "refuse") return { verdict: opened, stored };
  const rooted = await newestRoot(opened.trusted, source);
  // [TUF 5.3.11] What is stored counts only as far as today's root still lets it: keys that were taken away take their versions with them.
  const known = recall(rooted.trusted, stored);
  if (rooted.refusal) return ended(known, stored, rooted.refusal);
  let trusted = known;
  for (const step of [async (at: Trusted) => freshRoot(at, now), timestampStep, snapshotStep, topTargetsStep]) {
    const next = await step(trusted, { source, now, stored });
    if (next.is === "refuse") return ended(trusted, stored, next);
    trusted = next.trusted;
  }
  return { verdict: { is: "fresh", trusted }, stored: toStored(trusted, stored) };
}

const ended = (trusted: Trusted, stored: StoredMetadata, verdict: MetadataRefusal): Refreshed => ({
  verdict,
  stored: toStored(trusted, stored),
});

type Refreshing = { source: MetadataSource; now: number; stored: StoredMetadata };

async function newestRoot(from: Trusted, source: MetadataSource): Promise<{ trusted: Trusted; refusal?: MetadataRefusal }> {
  let trusted = from;
  for (let i = 0; i < mostRoots; i++) {
    const bytes = await source(`${trusted.root.signed.version + 1}.root.json`, mostBytes.root);
    if (bytes === undefined) return { trusted };
    const next = nextRoot(trusted, bytes);
    if (next.is === "refuse") return { trusted, refusal: next };
    trusted = next.trusted;
  }
  return { trusted };
}

function recall(trusted: Trusted, { timestamp, snapshot }: StoredMetadata): Trusted {
  const kept = (at: Trusted, text: string | undefined, read: (at: Trusted, bytes: Uint8Array) => Step) => {
    const step = text === undefined ? undefined : read(at, Buffer.from(text));
    return step?.is === "trusted" ? step.trusted : at;
  };
  return kept(kept(trusted, timestamp, recallTimestamp), snapshot, recallSnapshot);
}

async function timestampStep(trusted: Trusted, { source, now }: Refreshing): Promise<Step> {
  const bytes = await source("timestamp.json", mostBytes.timestamp);
  return bytes ? withTimestamp(trusted, bytes, now) : notThere("timestamp.json");
}

async function snapshotStep(trusted: Trusted, { source, now }: Refreshing): Promise<Step> {
  const kept = keptSnapshot(trusted, now);
  if (kept) return kept;
  const named = trusted.timestamp?.signed.snapshot;
  const name = fileName(trusted, { role: "snapshot", version: named?.version ?? 1 });
  const bytes = await source(name, named?.length ?? mostBytes.snapshot);
  return bytes ? withSnapshot(trusted, bytes, now) : notThere(name);
}

const topTargetsStep = (trusted: Trusted, refreshing: Refreshing): Promise<Step> =>
  targetsStep(trusted, topTargets(trusted), refreshing);

/** One targets file: the stored one where it is still the one that the snapshot names, and the repository's otherwise. */
async function targetsStep(trusted: Trusted, by: Delegation, { source, now, stored }: Refreshing): Promise<Step> {
  const role = by.role.name;
  const known = trusted.targets.get(role)?.text ?? stored.targets?.[role];
  const kept = known === undefined ? undefined : withTargets(trusted, Buffer.from(known), { now, by });
  if (kept?.is === "trusted" || (kept?.is === "refuse" && kept.because === "metadata_expired")) return kept;
  const listed = attempt(() => ({ is: "listed" as const, file: namedInSnapshot(trusted, role) }));
  if (listed.is === "refuse") return listed;
  const name = fileName(trusted, { role, version: listed.file.version });
  const bytes = await source(name, listed.file.length ?? mostBytes.targets);
  return bytes ? withTargets(trusted, bytes, { now, by }) : notThere(name);
}

/** [TUF 7.1] Versions stand before names where the root says so. Role names are escaped whole, so that none leads out of its folder. */
function fileName({ root }: Trusted, { role, version }: { role: string; version: number }): string {
  const name = `${encodeURIComponent(role).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)}.json`;
  return root.signed.consistentSnapshot ? `${version}.${name}` : name;
}

const notThere = (name: string): MetadataRefusal => ({
  is: "refuse",
  because: "metadata_missing",
  detail: `The repository has no ${name}.`,
});

const toStored = ({ root, timestamp, snapshot, targets }: Trusted, before: StoredMetadata): StoredMetadata => ({
  root: root.text,
  ...(timestamp ? { timestamp: timestamp.text } : {}),
  ...(snapshot ? { snapshot: snapshot.text } : {}),
  targets: { ...before.targets, ...Object.fromEntries([...targets].map(([role, { text }]) => [role, text])) },
});

/** A target, and whose word it is. */
export type FoundTarget = { readonly path: string; readonly file: TargetFile; readonly by: Delegation };
export type Search = {
  verdict: { is: "found"; target: FoundTarget } | MetadataRefusal;
  trusted: Trusted;
  stored: StoredMetadata;
};

/** [TUF 5.6.7] Looks for a target from the top, delegation by delegation, in the order in which they are written, deepest first. */
export async function findTarget(
  path: string,
  { trusted: start, stored: before, source, now }: Refreshing & { trusted: Trusted },
): Promise<Search> {
  let trusted = start;
  const line: Delegation[] = [topTargets(start)];
  const visited = new Set<string>();
  const done = (verdict: Search["verdict"]): Search => ({ verdict, trusted, stored: toStored(trusted, before) });
  while (visited.size < mostRolesVisited) {
    const by = line.shift();
    if (by === undefined) break;
    if (visited.has(by.role.name)) continue;
    visited.add(by.role.name);
    const step = await targetsStep(trusted, by, { source, now, stored: before });
    if (step.is === "refuse") return done(step);
    trusted = step.trusted;
    const signed = trusted.targets.get(by.role.name)?.signed;
    const file = signed?.targets.get(path);
    if (file) return done({ is: "found", target: { path, file, by } });
    const { next, last } = delegationsTo(path, signed?.delegations);
    line.unshift(...next);
    // [TUF 5.6.7.2.1] A terminating role has the last word on what it covers.
    if (last) line.length = next.length;
  }
  return done({ is: "refuse", because: "metadata_target_missing", detail: `The repository does not list ${path}.` });
}

type Delegations = { readonly keys: Delegation["keys"]; readonly roles: readonly DelegatedRole[] };

function delegationsTo(path: string, delegations: Delegations | undefined): { next: Delegation[]; last: boolean } {
  const next: Delegation[] = [];
  for (const role of delegations?.roles ?? []) {
    if (!covers(role, path)) continue;
    next.push({ keys: delegations?.keys ?? new Map(), role });
    if (role.terminating) return { next, last: true };
  }
  return { next, last: false };
}
