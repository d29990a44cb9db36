import type { Scope } from "@tenfold/base";
import type { Transfer, TransferKind, TransferVoucher } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";

export type NewTransfer = {
  readonly id: string;
  readonly device: string;
  readonly kind: TransferKind;
  readonly at: number;
  readonly actor: string;
  readonly reason: string;
  readonly other?: string | undefined;
  readonly voucher?: { readonly id: string; readonly bytes: Buffer } | undefined;
};

/** False where this voucher was taken in before. */
export async function insertTransfer(tx: Transaction, scope: Scope, one: NewTransfer): Promise<boolean> {
  const { numAffectedRows } = await sql`
    insert into identity.transfer (id, fleet, device, kind, at, actor, reason, other, voucher, document)
    values (${one.id}, ${scope.fleet}, ${one.device}, ${one.kind}, ${new Date(one.at)}, ${one.actor}, ${one.reason}, ${one.other ?? null},
      ${one.voucher?.id ?? null}, ${one.voucher?.bytes ?? null})
    on conflict (voucher) where kind = 'in' do nothing`.execute(tx);
  return numAffectedRows === 1n;
}

type Row = {
  id: string;
  device: string;
  kind: TransferKind;
  at: Date;
  actor: string;
  reason: string;
  other: string | null;
  voucher: string | null;
};
const columns = sql`id, device, kind, at, actor, reason, other, voucher`;

const toApi = (row: Row): Transfer => ({
  id: row.id,
  device: row.device,
  kind: row.kind,
  at: row.at.toISOString(),
  actor: row.actor,
  reason: row.reason,
  ...(row.other === null ? {} : { other: row.other }),
  ...(row.voucher === null ? {} : { voucher: row.voucher }),
});

/** Newest first. */
export async function listTransfers(
  db: Queryable,
  scope: Scope,
  page: { device?: string; before?: string; limit: number },
): Promise<Transfer[]> {
  const [device, before] = [page.device ?? null, page.before ?? null];
  const { rows } = await sql<Row>`
    select ${columns} from identity.transfer
    where fleet = ${scope.fleet} and (${device}::text is null or device = ${device}) and (${before}::text is null or id < ${before})
    order by id desc limit ${page.limit}`.execute(db);
  return rows.map(toApi);
}

/** The newest transfer of each of these devices. */
export async function lastKinds(tx: Transaction, scope: Scope, devices: readonly string[]): Promise<Map<string, TransferKind>> {
  const { rows } = await sql<{ device: string; kind: TransferKind }>`
    select distinct on (device) device, kind from identity.transfer
    where fleet = ${scope.fleet} and device = any(${devices}::text[]) order by device, id desc`.execute(tx);
  return new Map(rows.map(({ device, kind }) => [device, kind]));
}

export async function findVoucher(db: Queryable, scope: Scope, id: string): Promise<Buffer | undefined> {
  const { rows } = await sql<{ document: Buffer | null }>`
    select document from identity.transfer where fleet = ${scope.fleet} and id = ${id}`.execute(db);
  return rows[0]?.document ?? undefined;
}

type CertificateRow = {
  serial_number: string;
  fingerprint: string;
  not_before: Date;
  not_after: Date;
  state: string;
  revoked_because: string | null;
};

const mostTold = 100;

/** What a voucher tells of a device's certificates, newest first, and the manufacturer under which it enrolled, where that is still trusted. */
export async function readIdentityRecord(
  tx: Transaction,
  scope: Scope,
  device: string,
): Promise<Pick<TransferVoucher, "certificates" | "manufacturer">> {
  const { rows } = await sql<CertificateRow>`
    select serial_number, fingerprint, not_before, not_after, state, revoked_because from enrollment.certificate
    where fleet = ${scope.fleet} and device = ${device} order by generation desc limit ${mostTold}`.execute(tx);
  const { rows: anchors } = await sql<{ fingerprint: string; name: string; certificate: Buffer }>`
    select a.fingerprint, a.name, a.certificate from enrollment.trust_anchor a
    where a.fleet = ${scope.fleet} and a.fingerprint =
      (select anchor from enrollment.certificate where fleet = ${scope.fleet} and device = ${device} and anchor is not null order by id limit 1)`.execute(
    tx,
  );
  const [anchor] = anchors;
  return {
    certificates: rows.map((row) => ({
      serialNumber: row.serial_number,
      fingerprint: row.fingerprint,
      notBefore: row.not_before.toISOString(),
      notAfter: row.not_after.toISOString(),
      state: row.state,
      ...(row.revoked_because === null ? {} : { revokedBecause: row.revoked_because }),
    })),
    ...(anchor
      ? { manufacturer: { name: anchor.name, fingerprint: anchor.fingerprint, certificate: anchor.certificate.toString("base64") } }
      : {}),
  };
}
