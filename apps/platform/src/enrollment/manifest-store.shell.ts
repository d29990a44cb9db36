import type { Scope } from "@tenfold/base";
import type { Manifest, ManifestKey } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";

export type ManifestRow = { serial: string; model?: string | undefined; tags?: Record<string, string> | undefined };

/**
 * Adds serial numbers and answers those that are new. One that is known keeps what was said of it first, except that a manufacturer's signed
 * word replaces an unsigned one.
 */
export async function insertEntries(
  tx: Transaction,
  scope: Scope,
  given: { entries: readonly ManifestRow[]; manifest: string; signedBy: string | undefined; at: number },
): Promise<string[]> {
  const { entries, manifest, signedBy = null, at } = given;
  const { rows } = await sql<{ serial: string; fresh: boolean }>`
    insert into enrollment.manifest_entry as known (fleet, serial, model, tags, imported_at, manifest, signed_by)
    select ${scope.fleet}, serial, model, tags::jsonb, ${new Date(at)}, ${manifest}, ${signedBy}
    from unnest(${entries.map((entry) => entry.serial)}::text[], ${entries.map((entry) => entry.model ?? null)}::text[],
      ${entries.map((entry) => JSON.stringify(entry.tags ?? {}))}::text[]) as given (serial, model, tags)
    on conflict (fleet, serial) do update set signed_by = excluded.signed_by, manifest = excluded.manifest, model = excluded.model, tags = excluded.tags
    where known.signed_by is null and excluded.signed_by is not null
    returning serial, (xmax = 0) as fresh`.execute(tx);
  return rows.filter(({ fresh }) => fresh).map(({ serial }) => serial);
}

export type Expected = ManifestRow & { signedBy: string | undefined };

export async function findExpected(db: Queryable, scope: Scope, serial: string): Promise<Expected | undefined> {
  const { rows } = await sql<{ serial: string; model: string | null; tags: Record<string, string>; signed_by: string | null }>`
    select serial, model, tags, signed_by from enrollment.manifest_entry where fleet = ${scope.fleet} and serial = ${serial}`.execute(
    db,
  );
  const row = rows[0];
  return (
    row && {
      serial: row.serial,
      tags: row.tags,
      signedBy: row.signed_by ?? undefined,
      ...(row.model === null ? {} : { model: row.model }),
    }
  );
}

type ManifestFacts = {
  id: string;
  at: number;
  importedBy: string;
  documentHash?: string;
  signature?: { signedBy: string; keyFingerprint: string; signedAt: number | undefined };
  expected: number;
  already: number;
};

export async function insertManifest(tx: Transaction, scope: Scope, one: ManifestFacts): Promise<void> {
  const { signature } = one;
  await sql`
    insert into enrollment.manifest (id, fleet, imported_at, imported_by, document_hash, signed_by, key_fingerprint, signed_at, expected, already)
    values (${one.id}, ${scope.fleet}, ${new Date(one.at)}, ${one.importedBy}, ${one.documentHash ?? null}, ${signature?.signedBy ?? null},
      ${signature?.keyFingerprint ?? null}, ${signature?.signedAt === undefined ? null : new Date(signature.signedAt)}, ${one.expected}, ${one.already})`.execute(
    tx,
  );
}

type ManifestListRow = {
  id: string;
  imported_at: Date;
  imported_by: string;
  document_hash: string | null;
  anchor: string | null;
  signed_by: string | null;
  key_fingerprint: string | null;
  signed_at: Date | null;
  expected: number;
  already: number;
};

/** Newest first. A manufacturer that is trusted no more is named by the fingerprint of its certificate. */
export async function listManifests(db: Queryable, scope: Scope, page: { before?: string; limit: number }): Promise<Manifest[]> {
  const { rows } = await sql<ManifestListRow>`
    select m.*, a.name as anchor from enrollment.manifest m
    left join enrollment.trust_anchor a on a.fleet = m.fleet and a.fingerprint = m.signed_by
    where m.fleet = ${scope.fleet} and (${page.before ?? null}::text is null or m.id < ${page.before ?? null})
    order by m.id desc limit ${page.limit}`.execute(db);
  return rows.map((row) => ({
    id: row.id,
    importedAt: row.imported_at.toISOString(),
    importedBy: row.imported_by,
    expected: row.expected,
    already: row.already,
    ...(row.document_hash === null ? {} : { documentHash: row.document_hash }),
    ...(row.signed_by === null || row.key_fingerprint === null
      ? {}
      : {
          signedBy: row.anchor ?? row.signed_by,
          keyFingerprint: row.key_fingerprint,
          ...(row.signed_at === null ? {} : { signedAt: row.signed_at.toISOString() }),
        }),
  }));
}

type KeyRow = { id: string; anchor: string; name: string; fingerprint: string; public_key: Buffer; created_at: Date };

const toKey = (row: KeyRow): ManifestKey => ({
  id: row.id,
  name: row.name,
  fingerprint: row.fingerprint,
  createdAt: row.created_at.toISOString(),
});

/** The manifest keys of a fleet by the id of their anchor. */
export async function listKeys(db: Queryable, scope: Scope): Promise<Map<string, ManifestKey[]>> {
  const { rows } = await sql<KeyRow>`select * from enrollment.manifest_key where fleet = ${scope.fleet} order by id`.execute(db);
  return new Map([...Map.groupBy(rows, ({ anchor }) => anchor)].map(([anchor, keys]) => [anchor, keys.map(toKey)]));
}

/** Undefined when this key speaks for somebody already. */
export async function insertKey(
  tx: Transaction,
  scope: Scope,
  key: { id: string; anchor: string; name: string; publicKey: Buffer; fingerprint: string; at: number },
): Promise<ManifestKey | undefined> {
  const { rows } = await sql<KeyRow>`
    insert into enrollment.manifest_key (id, fleet, anchor, name, public_key, fingerprint, created_at)
    values (${key.id}, ${scope.fleet}, ${key.anchor}, ${key.name}, ${key.publicKey}, ${key.fingerprint}, ${new Date(key.at)})
    on conflict (fleet, fingerprint) do nothing returning *`.execute(tx);
  return rows[0] && toKey(rows[0]);
}

export async function deleteKey(
  tx: Transaction,
  scope: Scope,
  { anchor, id }: { anchor: string; id: string },
): Promise<ManifestKey | undefined> {
  const { rows } = await sql<KeyRow>`
    delete from enrollment.manifest_key where fleet = ${scope.fleet} and anchor = ${anchor} and id = ${id} returning *`.execute(tx);
  return rows[0] && toKey(rows[0]);
}

export type SigningKey = {
  readonly publicKey: Buffer;
  readonly fingerprint: string;
  readonly anchor: { readonly name: string; readonly fingerprint: string };
};

/** Every key whose signature counts in a fleet, with the manufacturer that it speaks for. */
export async function loadSigningKeys(db: Queryable, scope: Scope): Promise<SigningKey[]> {
  const { rows } = await sql<{ public_key: Buffer; fingerprint: string; name: string; anchor_fingerprint: string }>`
    select k.public_key, k.fingerprint, a.name, a.fingerprint as anchor_fingerprint
    from enrollment.manifest_key k join enrollment.trust_anchor a on a.id = k.anchor where k.fleet = ${scope.fleet} order by k.id`.execute(
    db,
  );
  return rows.map((row) => ({
    publicKey: row.public_key,
    fingerprint: row.fingerprint,
    anchor: { name: row.name, fingerprint: row.anchor_fingerprint },
  }));
}

/** Whether every manufacturer of a fleet must sign: then no unsigned manifest could let a device in. */
export async function everyManifestMustBeSigned(db: Queryable, scope: Scope): Promise<boolean> {
  const { rows } = await sql<{ must: boolean | null }>`
    select bool_and(manifests = 'signed') as must from enrollment.trust_anchor where fleet = ${scope.fleet}`.execute(db);
  return rows[0]?.must === true;
}
