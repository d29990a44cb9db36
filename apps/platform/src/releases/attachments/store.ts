import type { Scope } from "@tenfold/base";
import { versionKey } from "@tenfold/base";
import type { ReleaseChannel } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../../kernel/index.ts";
import { type Asked, type Component, nameKey } from "./sbom.ts";

export type Attachment = {
  id: string;
  release: string;
  kind: "sbom" | "provenance";
  sha256: string;
  size: number;
  format: string;
  summary: Record<string, string | number>;
  verifiedBy: string[];
  createdBy: string;
  createdAt: number;
};

type Row = Omit<Attachment, "verifiedBy" | "createdBy" | "createdAt"> & {
  verified_by: string[];
  created_by: string;
  created_at: Date;
};

const columns = sql.raw("id, release, kind, sha256, size, format, summary, verified_by, created_by, created_at");

const attachmentOf = ({ verified_by, created_by, created_at, ...row }: Row): Attachment => ({
  ...row,
  verifiedBy: verified_by,
  createdBy: created_by,
  createdAt: created_at.getTime(),
});

export async function attachmentsOf(on: Queryable, scope: Scope, release: string): Promise<Attachment[]> {
  const { rows } = await sql<Row>`
    select ${columns} from releases.attachment where fleet = ${scope.fleet} and release = ${release} order by created_at, id`.execute(
    on,
  );
  return rows.map(attachmentOf);
}

/** False when this very document is attached already. */
export async function insertAttachment(tx: Transaction, scope: Scope, one: Attachment): Promise<boolean> {
  const { rows } = await sql`
    insert into releases.attachment (fleet, id, release, kind, sha256, size, format, summary, verified_by, created_by, created_at)
    values (${scope.fleet}, ${one.id}, ${one.release}, ${one.kind}, ${one.sha256}, ${one.size}, ${one.format}, ${JSON.stringify(one.summary)}::jsonb,
            ${one.verifiedBy}::text[], ${one.createdBy}, ${new Date(one.createdAt)})
    on conflict (fleet, release, kind, sha256) do nothing returning id`.execute(tx);
  return rows.length > 0;
}

export async function deleteAttachment(tx: Transaction, scope: Scope, id: string): Promise<void> {
  await sql`delete from releases.attachment where fleet = ${scope.fleet} and id = ${id}`.execute(tx);
}

export async function writeVouchers(
  tx: Transaction,
  { fleet }: Scope,
  { id, verifiedBy }: { id: string; verifiedBy: readonly string[] },
): Promise<void> {
  await sql`update releases.attachment set verified_by = ${verifiedBy}::text[] where fleet = ${fleet} and id = ${id}`.execute(tx);
}

export async function insertComponents(
  tx: Transaction,
  scope: Scope,
  { attachment, release, components }: { attachment: string; release: string; components: readonly Component[] },
): Promise<void> {
  // In parts, so that no statement comes near its deadline.
  for (let i = 0; i < components.length; i += 5_000) {
    const rows = components.slice(i, i + 5_000).map((one, j) => ({
      seq: i + j,
      name: one.name,
      name_key: nameKey(one.name),
      version: one.version ?? null,
      version_key: one.version === undefined ? null : versionKey(one.version),
      purl: one.purl ?? null,
      type: one.type,
      licences: one.licences,
    }));
    await sql`
      insert into releases.component (fleet, attachment, release, seq, name, name_key, version, version_key, purl, type, licences)
      select ${scope.fleet}, ${attachment}, ${release}, c.seq, c.name, c.name_key, c.version, c.version_key, c.purl, c.type, c.licences
      from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as c (seq int, name text, name_key text, version text, version_key text, purl text, type text, licences text[])`.execute(
      tx,
    );
  }
}

type ComponentRow = { name: string; version: string | null; purl: string | null; type: string; licences: string[] };

const componentOf = ({ name, version, purl, type, licences }: ComponentRow): Component => ({
  name,
  type,
  licences,
  ...(version === null ? {} : { version }),
  ...(purl === null ? {} : { purl }),
});

/** What a release's SBOMs list, by name. */
export async function componentsOf(
  on: Queryable,
  scope: Scope,
  { release, limit }: { release: string; limit: number },
): Promise<Component[]> {
  const { rows } = await sql<ComponentRow>`
    select distinct name, version, purl, type, licences, name_key, version_key from releases.component where fleet = ${scope.fleet} and release = ${release}
    order by name_key, version_key limit ${limit}`.execute(on);
  return rows.map(componentOf);
}

export type Finding = {
  release: { id: string; name: string; version: string; channel: ReleaseChannel; retired: boolean };
  component: Component;
};

const signs = { "<": sql`<`, "<=": sql`<=`, "=": sql`=`, ">=": sql`>=`, ">": sql`>` };

/** Releases that contain what is asked for, newest first. A package URL fits with whatever version, qualifiers and subpath it has. */
export async function findComponents(
  on: Queryable,
  scope: Scope,
  { asked, limit }: { asked: Asked; limit: number },
): Promise<Finding[]> {
  const { name, purl, version } = asked;
  const like = purl?.replace(/[\\%_]/g, "\\$&");
  const { rows } = await sql<
    ComponentRow & { id: string; release_name: string; release_version: string; channel: ReleaseChannel; retired: boolean }
  >`
    select distinct r.id, r.name as release_name, r.version as release_version, r.channel, r.retired_at is not null as retired,
      c.name, c.version, c.purl, c.type, c.licences
    from releases.component c join releases.release r on r.fleet = c.fleet and r.id = c.release
    where c.fleet = ${scope.fleet}
      and ${name === undefined ? sql`true` : sql`c.name_key = ${name}`}
      and ${like === undefined ? sql`true` : sql`(c.purl = ${purl} or c.purl like ${`${like}@%`} or c.purl like ${`${like}?%`})`}
      and ${version === undefined ? sql`true` : sql`(c.version_key ${signs[version.compare]} ${version.key}) is true`}
    order by r.id desc, c.name, c.version limit ${limit}`.execute(on);
  return rows.map(({ id, release_name, release_version, channel, retired, ...component }) => ({
    release: { id, name: release_name, version: release_version, channel, retired },
    component: componentOf(component),
  }));
}

export type ProvenanceKey = { keyid: string; name: string; publicKeyPem: string; createdAt: number; revokedAt?: number };

export async function listProvenanceKeys(on: Queryable, scope: Scope): Promise<ProvenanceKey[]> {
  const { rows } = await sql<{ keyid: string; name: string; public_key_pem: string; created_at: Date; revoked_at: Date | null }>`
    select keyid, name, public_key_pem, created_at, revoked_at from releases.provenance_key where fleet = ${scope.fleet} order by created_at, keyid`.execute(
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

/** False when the key is there, revoked or not. */
export async function insertProvenanceKey(tx: Transaction, scope: Scope, key: ProvenanceKey): Promise<boolean> {
  const { rows } = await sql`
    insert into releases.provenance_key (fleet, keyid, name, public_key_pem, created_at)
    values (${scope.fleet}, ${key.keyid}, ${key.name}, ${key.publicKeyPem}, ${new Date(key.createdAt)}) on conflict do nothing returning keyid`.execute(
    tx,
  );
  return rows.length > 0;
}

/** True when this call revoked it. */
export async function revokeProvenanceKeyRow(
  tx: Transaction,
  scope: Scope,
  { keyid, at }: { keyid: string; at: number },
): Promise<boolean> {
  const { rows } = await sql`
    update releases.provenance_key set revoked_at = ${new Date(at)} where fleet = ${scope.fleet} and keyid = ${keyid} and revoked_at is null returning keyid`.execute(
    tx,
  );
  return rows.length > 0;
}
