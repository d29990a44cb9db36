import type { Scope } from "@tenfold/base";
import type { ReleaseChannel, SignedRelease } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { Retirement, RunningFirmware, StoredKey, StoredRelease } from "./release.ts";

type ReleaseRow = {
  id: string;
  name: string;
  version: string;
  models: string[];
  sha256: string;
  size: number;
  envelope: SignedRelease;
  signed_by: string[];
  notes: string;
  channel: ReleaseChannel;
  created_at: Date;
  used_at: Date | null;
  retired_at: Date | null;
  retired_by: string | null;
  retired_because: string | null;
  artifact_created_at: Date;
  damaged_at: Date | null;
};

const columns = sql.raw(
  `r.id, r.name, r.version, r.models, r.sha256, r.size, r.envelope, r.signed_by, r.notes, r.channel, r.created_at, r.used_at, r.retired_at, r.retired_by, r.retired_because, a.created_at as artifact_created_at, a.damaged_at
   from releases.release r join releases.artifact a on a.fleet = r.fleet and a.sha256 = r.sha256`,
);

const releaseOf = (row: ReleaseRow): StoredRelease => ({
  id: row.id,
  name: row.name,
  version: row.version,
  models: row.models,
  artifact: {
    sha256: row.sha256,
    size: row.size,
    createdAt: row.artifact_created_at.getTime(),
    ...(row.damaged_at ? { damagedAt: row.damaged_at.getTime() } : {}),
  },
  envelope: row.envelope,
  signedBy: row.signed_by,
  notes: row.notes,
  channel: row.channel,
  ...(row.used_at === null ? {} : { usedAt: row.used_at.getTime() }),
  ...(row.retired_at === null
    ? {}
    : { retired: { at: row.retired_at.getTime(), by: row.retired_by ?? "", because: row.retired_because ?? "" } }),
  createdAt: row.created_at.getTime(),
});

export type Wanted = {
  limit: number;
  before?: string | undefined;
  channel?: ReleaseChannel | undefined;
  name?: string | undefined;
  version?: string | undefined;
  retired?: "true" | "false" | undefined;
};

/** Newest first, below `before` (an id; ids sort by age). What is not asked for does not limit. */
export async function pageOfReleases(
  on: Queryable,
  scope: Scope,
  { limit, before, channel, name, version, retired }: Wanted,
): Promise<StoredRelease[]> {
  const { rows } = await sql<ReleaseRow>`
    select ${columns} where r.fleet = ${scope.fleet} and (${before ?? null}::text is null or r.id < ${before ?? null})
      and (${channel ?? null}::text is null or r.channel = ${channel ?? null}) and (${name ?? null}::text is null or r.name = ${name ?? null})
      and (${version ?? null}::text is null or r.version = ${version ?? null})
      and (${retired ?? null}::bool is null or (r.retired_at is not null) = ${retired ?? null}::bool)
    order by r.id desc limit ${limit}`.execute(on);
  return rows.map(releaseOf);
}

/** Everything that a person may mean by an id, a version or `name@version`. */
export async function releasesNamed(on: Queryable, scope: Scope, named: string): Promise<StoredRelease[]> {
  const { rows } = await sql<ReleaseRow>`
    select ${columns} where r.fleet = ${scope.fleet} and (r.id = ${named} or r.version = ${named} or r.name || '@' || r.version = ${named})
    order by r.id desc limit 10`.execute(on);
  return rows.map(releaseOf);
}

/** Releases that any of these firmwares may be; the caller decides which is which. */
export async function releasesLike(on: Queryable, scope: Scope, firmware: readonly RunningFirmware[]): Promise<StoredRelease[]> {
  const hashes = firmware.flatMap(({ hash }) => hash ?? []);
  const versions = firmware.flatMap(({ hash, version }) => (hash === undefined ? [version] : []));
  const { rows } = await sql<ReleaseRow>`
    select ${columns} where r.fleet = ${scope.fleet} and (r.sha256 = any(${hashes}::text[]) or r.version = any(${versions}::text[]))`.execute(
    on,
  );
  return rows.map(releaseOf);
}

/** False when a release of this name and version is already there. */
export async function insertRelease(tx: Transaction, scope: Scope, release: StoredRelease): Promise<boolean> {
  const { id, name, version, models, artifact, envelope, signedBy, notes, channel, createdAt } = release;
  const { rows } = await sql`
    insert into releases.release (fleet, id, name, version, models, sha256, size, envelope, signed_by, notes, channel, created_at)
    values (${scope.fleet}, ${id}, ${name}, ${version}, ${models}::text[], ${artifact.sha256}, ${artifact.size}, ${JSON.stringify(envelope)}::json,
            ${signedBy}::text[], ${notes}, ${channel}, ${new Date(createdAt)})
    on conflict (fleet, name, version) do nothing returning id`.execute(tx);
  return rows.length > 0;
}

/** True when this call retired it. */
export async function markRetired(
  tx: Transaction,
  scope: Scope,
  { id, retirement: { at, by, because } }: { id: string; retirement: Retirement },
): Promise<boolean> {
  const { rows } = await sql`
    update releases.release set retired_at = ${new Date(at)}, retired_by = ${by}, retired_because = ${because}
    where fleet = ${scope.fleet} and id = ${id} and retired_at is null returning id`.execute(tx);
  return rows.length > 0;
}

/** True when this call took the retirement back. */
export async function clearRetirement(tx: Transaction, scope: Scope, id: string): Promise<boolean> {
  const { rows } = await sql`
    update releases.release set retired_at = null, retired_by = null, retired_because = null
    where fleet = ${scope.fleet} and id = ${id} and retired_at is not null returning id`.execute(tx);
  return rows.length > 0;
}

/** From now on what was said about it stands. The first time counts. */
export async function markUsed(tx: Transaction, scope: Scope, { id, at }: { id: string; at: number }): Promise<void> {
  await sql`update releases.release set used_at = ${new Date(at)} where fleet = ${scope.fleet} and id = ${id} and used_at is null`.execute(
    tx,
  );
}

/** The release, locked for this transaction, so that its first use and a change of what it says cannot cross. */
export async function lockRelease(tx: Transaction, scope: Scope, id: string): Promise<StoredRelease | undefined> {
  const { rows } = await sql<ReleaseRow>`select ${columns} where r.fleet = ${scope.fleet} and r.id = ${id} for update of r`.execute(
    tx,
  );
  return rows[0] && releaseOf(rows[0]);
}

export async function writeDetails(
  tx: Transaction,
  scope: Scope,
  { id, channel, notes }: { id: string; channel: ReleaseChannel; notes: string },
): Promise<void> {
  await sql`update releases.release set channel = ${channel}, notes = ${notes} where fleet = ${scope.fleet} and id = ${id}`.execute(
    tx,
  );
}

/** The same statement under other signatures: after a rotation of keys a release is signed anew, and says the same. */
export async function replaceEnvelope(
  tx: Transaction,
  scope: Scope,
  { id, envelope, signedBy }: Pick<StoredRelease, "id" | "envelope" | "signedBy">,
): Promise<void> {
  await sql`
    update releases.release set envelope = ${JSON.stringify(envelope)}::json, signed_by = ${signedBy}::text[]
    where fleet = ${scope.fleet} and id = ${id}`.execute(tx);
}

/** `checkedAt`: when its bytes were last found right; `damagedAt`: since when they are known not to be. */
export type StoredArtifact = { sha256: string; size: number; createdAt: number; checkedAt?: number; damagedAt?: number };

export async function findArtifact(on: Queryable, scope: Scope, sha256: string): Promise<StoredArtifact | undefined> {
  const { rows } = await sql<{ size: number; created_at: Date; checked_at: Date | null; damaged_at: Date | null }>`
    select size, created_at, checked_at, damaged_at from releases.artifact where fleet = ${scope.fleet} and sha256 = ${sha256}`.execute(
    on,
  );
  const [row] = rows;
  return (
    row && {
      sha256,
      size: row.size,
      createdAt: row.created_at.getTime(),
      ...(row.checked_at ? { checkedAt: row.checked_at.getTime() } : {}),
      ...(row.damaged_at ? { damagedAt: row.damaged_at.getTime() } : {}),
    }
  );
}

/** True when this call made the row. */
export async function insertArtifact(tx: Transaction, scope: Scope, { sha256, size, createdAt }: StoredArtifact): Promise<boolean> {
  const { rows } = await sql`
    insert into releases.artifact (fleet, sha256, size, created_at, checked_at)
    values (${scope.fleet}, ${sha256}, ${size}, ${new Date(createdAt)}, ${new Date(createdAt)})
    on conflict do nothing returning sha256`.execute(tx);
  return rows.length > 0;
}

export async function listKeys(on: Queryable, scope: Scope): Promise<StoredKey[]> {
  const { rows } = await sql<{ keyid: string; name: string; public_key_pem: string; created_at: Date; revoked_at: Date | null }>`
    select keyid, name, public_key_pem, created_at, revoked_at from releases.signing_key where fleet = ${scope.fleet} order by created_at, keyid`.execute(
    on,
  );
  return rows.map((row) => ({
    keyid: row.keyid,
    name: row.name,
    publicKeyPem: row.public_key_pem,
    createdAt: row.created_at.getTime(),
    ...(row.revoked_at ? { revokedAt: row.revoked_at.getTime() } : {}),
  }));
}

/** False when the key is already there, revoked or not. */
export async function insertKey(tx: Transaction, scope: Scope, key: Omit<StoredKey, "revokedAt">): Promise<boolean> {
  const { rows } = await sql`
    insert into releases.signing_key (fleet, keyid, name, public_key_pem, created_at)
    values (${scope.fleet}, ${key.keyid}, ${key.name}, ${key.publicKeyPem}, ${new Date(key.createdAt)}) on conflict do nothing returning keyid`.execute(
    tx,
  );
  return rows.length > 0;
}

/** True when this call revoked it. */
export async function markKeyRevoked(
  tx: Transaction,
  scope: Scope,
  { keyid, at }: { keyid: string; at: number },
): Promise<boolean> {
  const { rows } = await sql`
    update releases.signing_key set revoked_at = ${new Date(at)} where fleet = ${scope.fleet} and keyid = ${keyid} and revoked_at is null
    returning keyid`.execute(tx);
  return rows.length > 0;
}
