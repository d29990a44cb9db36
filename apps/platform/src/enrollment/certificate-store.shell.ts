import type { Scope } from "@tenfold/base";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { CertificateFacts, StoredState } from "./lifecycle.ts";

export type StoredCertificate = CertificateFacts & {
  readonly id: string;
  readonly fleet: string;
  readonly fingerprint: string;
  readonly device: string;
  readonly subject: string;
  readonly der: Buffer;
  readonly generation: number;
  readonly issuedAt: number;
};

type Row = {
  id: string;
  fleet: string;
  serial_number: string;
  fingerprint: string;
  device: string;
  subject: string;
  certificate: Buffer;
  generation: number;
  not_before: Date;
  not_after: Date;
  issued_at: Date;
  state: StoredState;
  superseded_at: Date | null;
  revoked_at: Date | null;
  revoked_because: string | null;
};

const columns = sql`id, fleet, serial_number, fingerprint, device, subject, certificate, generation, not_before, not_after, issued_at, state, superseded_at, revoked_at, revoked_because`;

const fromRow = (row: Row): StoredCertificate => ({
  id: row.id,
  fleet: row.fleet,
  serialNumber: row.serial_number,
  fingerprint: row.fingerprint,
  device: row.device,
  subject: row.subject,
  der: row.certificate,
  generation: row.generation,
  notBefore: row.not_before.getTime(),
  notAfter: row.not_after.getTime(),
  issuedAt: row.issued_at.getTime(),
  state: row.state,
  supersededAt: row.superseded_at?.getTime(),
  revokedAt: row.revoked_at?.getTime(),
  revokedBecause: row.revoked_because ?? undefined,
});

/** The certificate with this fingerprint, of any fleet: a connection does not say which fleet it means. */
export async function findByFingerprint(db: Queryable, fingerprint: string): Promise<StoredCertificate | undefined> {
  const { rows } = await sql<Row>`select ${columns} from enrollment.certificate where fingerprint = ${fingerprint}`.execute(db);
  return rows[0] && fromRow(rows[0]);
}

export async function listBySerialNumbers(
  db: Queryable,
  scope: Scope,
  serialNumbers: readonly string[],
): Promise<StoredCertificate[]> {
  const { rows } = await sql<Row>`
    select ${columns} from enrollment.certificate where fleet = ${scope.fleet} and serial_number = any(${serialNumbers}::text[])`.execute(
    db,
  );
  return rows.map(fromRow);
}

/** [E24] The certificate that the same identity got for the same request since `since`, if it still counts. */
export async function findRepeated(
  tx: Transaction,
  asked: { identity: string; requestHash: string; since: number },
): Promise<StoredCertificate | undefined> {
  const { rows } = await sql<Row>`
    select ${columns} from enrollment.certificate
    where identity = ${asked.identity} and request_hash = ${asked.requestHash} and issued_at >= ${new Date(asked.since)} and state in ('issued', 'active')
    order by id desc limit 1`.execute(tx);
  return rows[0] && fromRow(rows[0]);
}

/** Another device than `device` that has or had a certificate for this key. */
export async function findKeyHolder(
  tx: Transaction,
  { keyFingerprint, device }: { keyFingerprint: string; device: string },
): Promise<string | undefined> {
  const { rows } = await sql<{ device: string }>`
    select device from enrollment.certificate where key_fingerprint = ${keyFingerprint} and device <> ${device} limit 1`.execute(
    tx,
  );
  return rows[0]?.device;
}

/** The manufacturer (anchor's fingerprint) under which a device first enrolled with an IDevID, and its newest generation. */
export async function findPast(
  tx: Transaction,
  scope: Scope,
  device: string,
): Promise<{ boundTo: string | undefined; generation: number }> {
  const { rows } = await sql<{ bound_to: string | null; generation: number | null }>`
    select (array_agg(anchor order by id) filter (where anchor is not null))[1] as bound_to, max(generation) as generation
    from enrollment.certificate where fleet = ${scope.fleet} and device = ${device}`.execute(tx);
  return { boundTo: rows[0]?.bound_to ?? undefined, generation: rows[0]?.generation ?? 0 };
}

export type NewCertificate = {
  readonly id: string;
  readonly serialNumber: string;
  readonly fingerprint: string;
  readonly device: string;
  readonly subject: string;
  readonly issuer: string;
  readonly der: Buffer;
  readonly keyFingerprint: string;
  readonly requestHash: string;
  readonly identity: string;
  readonly anchor: string | undefined;
  readonly attempt: string;
  readonly generation: number;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly issuedAt: number;
};

export async function insertCertificate(tx: Transaction, scope: Scope, one: NewCertificate): Promise<void> {
  await sql`
    insert into enrollment.certificate
      (id, fleet, serial_number, fingerprint, device, subject, issuer, certificate, key_fingerprint, request_hash, identity, anchor, attempt, generation,
       not_before, not_after, issued_at, state)
    values (${one.id}, ${scope.fleet}, ${one.serialNumber}, ${one.fingerprint}, ${one.device}, ${one.subject}, ${one.issuer}, ${one.der},
      ${one.keyFingerprint}, ${one.requestHash}, ${one.identity}, ${one.anchor ?? null}, ${one.attempt}, ${one.generation},
      ${new Date(one.notBefore)}, ${new Date(one.notAfter)}, ${new Date(one.issuedAt)}, 'issued')`.execute(tx);
}

/** First use: the certificate becomes active, and those that were issued before it are superseded. Twice is the same as once. */
export async function activateCertificate(
  tx: Transaction,
  scope: Scope,
  { id, device, generation, at }: { id: string; device: string; generation: number; at: number },
): Promise<void> {
  const used = new Date(at);
  const { numAffectedRows } = await sql`
    update enrollment.certificate set state = 'active', activated_at = ${used}
    where fleet = ${scope.fleet} and id = ${id} and state = 'issued'`.execute(tx);
  if (numAffectedRows === 0n) return;
  await sql`
    update enrollment.certificate set state = 'superseded', superseded_at = ${used}
    where fleet = ${scope.fleet} and device = ${device} and generation < ${generation} and state in ('issued', 'active')`.execute(
    tx,
  );
}

export type Revocation = { readonly because: string; readonly at: number };
type Named = { readonly serialNumber: string; readonly because: string };

/** Revokes certificates by their serial numbers; answers those that were revoked now, each once. */
export async function revokeThese(
  tx: Transaction,
  scope: Scope,
  { wishes, at }: { wishes: readonly Named[]; at: number },
): Promise<StoredCertificate[]> {
  const { rows } = await sql<Row>`
    with wished as (
      select distinct on (number) number, reason
      from unnest(${wishes.map(({ serialNumber }) => serialNumber)}::text[], ${wishes.map(({ because }) => because)}::text[]) as given (number, reason)
    )
    update enrollment.certificate set state = 'revoked', revoked_at = ${new Date(at)}, revoked_because = wished.reason
    from wished where fleet = ${scope.fleet} and serial_number = wished.number and state <> 'revoked' returning ${columns}`.execute(
    tx,
  );
  return rows.map(fromRow);
}

/** Revokes every certificate of a device that has not ended by itself; answers those that were revoked now. */
export async function revokeAllOf(
  tx: Transaction,
  scope: Scope,
  { device, because, at }: Revocation & { device: string },
): Promise<StoredCertificate[]> {
  const { rows } = await sql<Row>`
    update enrollment.certificate set state = 'revoked', revoked_at = ${new Date(at)}, revoked_because = ${because}
    where fleet = ${scope.fleet} and device = ${device} and state <> 'revoked' and not_after > ${new Date(at)} returning ${columns}`.execute(
    tx,
  );
  return rows.map(fromRow);
}

/** What an issuer's revocation list names: revoked, and not yet past its end [RFC 5280 3.3]. */
export async function listRevoked(db: Queryable, { issuer, now }: { issuer: string; now: number }): Promise<StoredCertificate[]> {
  const { rows } = await sql<Row>`
    select ${columns} from enrollment.certificate where issuer = ${issuer} and state = 'revoked' and not_after > ${new Date(now)} order by revoked_at`.execute(
    db,
  );
  return rows.map(fromRow);
}

export async function listCertificates(
  db: Queryable,
  scope: Scope,
  page: { device?: string; before?: string; limit: number },
): Promise<StoredCertificate[]> {
  const { rows } = await sql<Row>`
    select ${columns} from enrollment.certificate
    where fleet = ${scope.fleet} and (${page.device ?? null}::text is null or device = ${page.device ?? null}) and (${page.before ?? null}::text is null or id < ${page.before ?? null})
    order by id desc limit ${page.limit}`.execute(db);
  return rows.map(fromRow);
}

/** What OCSP says of serial numbers, in whatever fleet; one that was never issued is not in the answer. */
export async function statusesOf(
  db: Queryable,
  serialNumbers: readonly string[],
): Promise<Map<string, { is: "good" } | { is: "revoked"; at: number }>> {
  const { rows } = await sql<{ serial_number: string; state: StoredState; revoked_at: Date | null }>`
    select serial_number, state, revoked_at from enrollment.certificate where serial_number = any(${serialNumbers}::text[])`.execute(
    db,
  );
  return new Map(
    rows.map(({ serial_number, state, revoked_at }) => [
      serial_number,
      state === "revoked" && revoked_at !== null ? { is: "revoked", at: revoked_at.getTime() } : { is: "good" },
    ]),
  );
}

/** The key identifier of the CA that issued the newest certificate of each of these devices. */
export async function issuersInUse(db: Queryable, devices: readonly string[]): Promise<Map<string, string>> {
  const { rows } = await sql<{ device: string; issuer: string }>`
    select distinct on (device) device, issuer from enrollment.certificate
    where device = any(${devices}::text[]) order by device, generation desc`.execute(db);
  return new Map(rows.map(({ device, issuer }) => [device, issuer]));
}

/** The devices that have a certificate in use which ends, or ended, after `since`. */
export async function listHolders(db: Queryable, since: number): Promise<{ fleet: string; device: string }[]> {
  const { rows } = await sql<{ fleet: string; device: string }>`
    select distinct fleet, device from enrollment.certificate
    where state in ('issued', 'active') and not_after > ${new Date(since)} order by device`.execute(db);
  return rows;
}
