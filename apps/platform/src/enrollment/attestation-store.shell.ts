import type { Scope } from "@tenfold/base";
import type { Attestation, AttestationDemand, AttestationReference, TpmMaker } from "@tenfold/contracts";
import { type Certificate, readCertificate, type TpmCounters } from "@tenfold/pki";
import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { KeyAttestation, Reference, TpmPast } from "./attestation.ts";

type MakerRow = {
  id: string;
  name: string;
  certificate: Buffer;
  fingerprint: string;
  subject: string;
  not_after: Date;
  created_at: Date;
};

const toMaker = (row: MakerRow): TpmMaker => ({
  id: row.id,
  name: row.name,
  subject: row.subject,
  fingerprint: row.fingerprint,
  notAfter: row.not_after.toISOString(),
  createdAt: row.created_at.toISOString(),
});

export async function listMakers(db: Queryable, scope: Scope): Promise<TpmMaker[]> {
  const { rows } = await sql<MakerRow>`select * from identity.tpm_maker where fleet = ${scope.fleet} order by id`.execute(db);
  return rows.map(toMaker);
}

/** The makers' authorities, to validate endorsement certificates by. */
export async function loadMakers(db: Queryable, scope: Scope): Promise<{ name: string; certificate: Certificate }[]> {
  const { rows } = await sql<MakerRow>`select * from identity.tpm_maker where fleet = ${scope.fleet} order by id`.execute(db);
  return rows.map(({ name, certificate }) => ({ name, certificate: readCertificate(certificate) }));
}

export type NewMaker = {
  id: string;
  name: string;
  der: Buffer;
  fingerprint: string;
  subject: string;
  notAfter: number;
  at: number;
};

/** Undefined when this certificate is believed already. */
export async function insertMaker(tx: Transaction, scope: Scope, maker: NewMaker): Promise<TpmMaker | undefined> {
  const { rows } = await sql<MakerRow>`
    insert into identity.tpm_maker (id, fleet, name, certificate, fingerprint, subject, not_after, created_at)
    values (${maker.id}, ${scope.fleet}, ${maker.name}, ${maker.der}, ${maker.fingerprint}, ${maker.subject}, ${new Date(maker.notAfter)}, ${new Date(maker.at)})
    on conflict (fleet, fingerprint) do nothing returning *`.execute(tx);
  return rows[0] && toMaker(rows[0]);
}

export async function deleteMaker(tx: Transaction, scope: Scope, id: string): Promise<TpmMaker | undefined> {
  const { rows } =
    await sql<MakerRow>`delete from identity.tpm_maker where fleet = ${scope.fleet} and id = ${id} returning *`.execute(tx);
  return rows[0] && toMaker(rows[0]);
}

type ReferenceRow = {
  id: string;
  name: string;
  generation: number;
  model: string | null;
  pcrs: Record<string, string[]>;
  created_by: string;
  created_at: Date;
  retired_at: Date | null;
};

const toReference = (row: ReferenceRow): AttestationReference => ({
  id: row.id,
  name: row.name,
  generation: row.generation,
  ...(row.model === null ? {} : { model: row.model }),
  pcrs: row.pcrs,
  createdBy: row.created_by,
  createdAt: row.created_at.toISOString(),
  ...(row.retired_at === null ? {} : { retiredAt: row.retired_at.toISOString() }),
});

export async function listReferences(db: Queryable, scope: Scope): Promise<AttestationReference[]> {
  const { rows } = await sql<ReferenceRow>`
    select * from identity.attestation_reference where fleet = ${scope.fleet} order by id desc limit 500`.execute(db);
  return rows.map(toReference);
}

/** Those that count now, newest first. */
export async function loadReferences(db: Queryable, scope: Scope): Promise<Reference[]> {
  const { rows } = await sql<ReferenceRow>`
    select * from identity.attestation_reference where fleet = ${scope.fleet} and retired_at is null order by id desc`.execute(db);
  return rows.map(({ id, name, generation, model, pcrs }) => ({
    id,
    label: `${name} ${generation}`,
    model: model ?? undefined,
    pcrs,
  }));
}

export type NewReference = {
  id: string;
  name: string;
  model: string | undefined;
  pcrs: Readonly<Record<string, readonly string[]>>;
  by: string;
  at: number;
};

/** The next generation of its name. */
export async function insertReference(tx: Transaction, scope: Scope, reference: NewReference): Promise<AttestationReference> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`attestation_reference/${scope.fleet}/${reference.name}`}, 0))`.execute(
    tx,
  );
  const { rows } = await sql<ReferenceRow>`
    insert into identity.attestation_reference (id, fleet, name, generation, model, pcrs, created_by, created_at)
    select ${reference.id}, ${scope.fleet}, ${reference.name},
      1 + coalesce((select max(generation) from identity.attestation_reference where fleet = ${scope.fleet} and name = ${reference.name}), 0),
      ${reference.model ?? null}, ${JSON.stringify(reference.pcrs)}::jsonb, ${reference.by}, ${new Date(reference.at)}
    returning *`.execute(tx);
  const [made] = rows;
  if (made === undefined) throw new TypeError("An insert without a condition answers its row.");
  return toReference(made);
}

export async function retireReference(
  tx: Transaction,
  scope: Scope,
  { id, at }: { id: string; at: number },
): Promise<AttestationReference | undefined> {
  const { rows } = await sql<ReferenceRow>`
    update identity.attestation_reference set retired_at = coalesce(retired_at, ${new Date(at)})
    where fleet = ${scope.fleet} and id = ${id} returning *`.execute(tx);
  return rows[0] && toReference(rows[0]);
}

export async function listPolicies(db: Queryable, scope: Scope) {
  const { rows } = await sql<{ anchor: string; name: string; demand: AttestationDemand; since: Date }>`
    select p.anchor, a.name, p.demand, p.since from identity.attestation_policy p join enrollment.trust_anchor a on a.id = p.anchor
    where p.fleet = ${scope.fleet} order by a.name`.execute(db);
  return rows.map(({ since, ...one }) => ({ ...one, since: since.toISOString() }));
}

/** False when there is no such trust anchor. */
export async function writePolicy(
  tx: Transaction,
  scope: Scope,
  { anchor, demand, at }: { anchor: string; demand: AttestationDemand; at: number },
): Promise<boolean> {
  const known = await sql`select 1 from enrollment.trust_anchor where fleet = ${scope.fleet} and id = ${anchor}`.execute(tx);
  if (known.rows.length === 0) return false;
  if (demand === "none") await sql`delete from identity.attestation_policy where anchor = ${anchor}`.execute(tx);
  else
    await sql`
      insert into identity.attestation_policy (anchor, fleet, demand, since) values (${anchor}, ${scope.fleet}, ${demand}, ${new Date(at)})
      on conflict (anchor) do update set demand = excluded.demand, since = excluded.since`.execute(tx);
  return true;
}

/** What the manufacturer with this CA certificate (its fingerprint) demands. */
export async function demandOf(db: Queryable, scope: Scope, anchorFingerprint: string | undefined): Promise<AttestationDemand> {
  if (anchorFingerprint === undefined) return "none";
  const { rows } = await sql<{ demand: AttestationDemand }>`
    select p.demand from identity.attestation_policy p join enrollment.trust_anchor a on a.id = p.anchor
    where a.fleet = ${scope.fleet} and a.fingerprint = ${anchorFingerprint}`.execute(db);
  return rows[0]?.demand ?? "none";
}

/** One chip, one device: who had this endorsement key, and which one this device had. A retired device gives its chip free. */
export async function findTpmPast(
  db: Queryable,
  scope: Scope,
  { device, ekFingerprint }: { device: string; ekFingerprint: string },
): Promise<TpmPast> {
  const { rows } = await sql<{ holder: string | null; bound: string | null }>`
    select
      (select a.device from identity.attestation a left join registry.device d on d.id = a.device
       where a.ek_fingerprint = ${ekFingerprint} and a.verdict = 'passed' and a.forgotten_at is null and d.lifecycle is distinct from 'retired'
         and (a.fleet, a.device) <> (${scope.fleet}, ${device}) order by a.id desc limit 1) as holder,
      (select ek_fingerprint from identity.attestation where fleet = ${scope.fleet} and device = ${device} and verdict = 'passed'
         and forgotten_at is null order by id desc limit 1) as bound`.execute(db);
  return { ekHolder: rows[0]?.holder ?? undefined, boundEk: rows[0]?.bound ?? undefined };
}

export type Challenge = {
  readonly id: string;
  readonly device: string;
  readonly ekFingerprint: string;
  readonly keyFingerprint: string;
  readonly maker: string;
  readonly ak: Buffer;
  readonly deviceKey: Buffer;
  readonly secretHash: Buffer;
  readonly nonce: Buffer;
  readonly pcrs: readonly number[];
  readonly at: number;
  readonly expiresAt: number;
};

export async function insertChallenge(tx: Transaction, scope: Scope, one: Challenge): Promise<void> {
  await sql`
    insert into identity.attestation
      (id, fleet, device, begun_at, expires_at, ek_fingerprint, key_fingerprint, maker, ak, device_key, secret_hash, nonce, pcrs_asked)
    values (${one.id}, ${scope.fleet}, ${one.device}, ${new Date(one.at)}, ${new Date(one.expiresAt)}, ${one.ekFingerprint}, ${one.keyFingerprint},
      ${one.maker}, ${one.ak}, ${one.deviceKey}, ${one.secretHash}, ${one.nonce}, ${[...one.pcrs]}::int[])`.execute(tx);
}

/** A claim that is not worth a challenge. */
export async function insertFailedClaim(
  tx: Transaction,
  scope: Scope,
  one: { id: string; device: string; at: number; check: string; because: string; ekFingerprint: string | undefined },
): Promise<void> {
  const at = new Date(one.at);
  await sql`
    insert into identity.attestation (id, fleet, device, begun_at, expires_at, ek_fingerprint, answered_at, verdict, failed_check, because, software)
    values (${one.id}, ${scope.fleet}, ${one.device}, ${at}, ${at}, ${one.ekFingerprint ?? null}, ${at}, 'failed', ${one.check}, ${one.because}, 'unjudged')`.execute(
    tx,
  );
}

/** The open challenge of a device, locked: it is answered once, whatever comes of it. */
export async function lockChallenge(
  tx: Transaction,
  scope: Scope,
  { id, device, now }: { id: string; device: string; now: number },
): Promise<Challenge | undefined> {
  type Row = {
    ek_fingerprint: string;
    key_fingerprint: string;
    maker: string;
    ak: Buffer;
    device_key: Buffer;
    secret_hash: Buffer;
    nonce: Buffer;
    pcrs_asked: number[];
    begun_at: Date;
    expires_at: Date;
  };
  const { rows } = await sql<Row>`
    select ek_fingerprint, key_fingerprint, maker, ak, device_key, secret_hash, nonce, pcrs_asked, begun_at, expires_at from identity.attestation
    where fleet = ${scope.fleet} and id = ${id} and device = ${device} and answered_at is null and expires_at > ${new Date(now)} for update`.execute(
    tx,
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  return {
    id,
    device,
    ekFingerprint: row.ek_fingerprint,
    keyFingerprint: row.key_fingerprint,
    maker: row.maker,
    ak: row.ak,
    deviceKey: row.device_key,
    secretHash: row.secret_hash,
    nonce: row.nonce,
    pcrs: row.pcrs_asked,
    at: row.begun_at.getTime(),
    expiresAt: row.expires_at.getTime(),
  };
}

/** The counters of a TPM at its newest attestation that passed. */
export async function findCounters(db: Queryable, ekFingerprint: string): Promise<TpmCounters | undefined> {
  const { rows } = await sql<{ clock: string; reset_count: number; restart_count: number; firmware_version: string }>`
    select clock, reset_count, restart_count, firmware_version from identity.attestation
    where ek_fingerprint = ${ekFingerprint} and verdict = 'passed' and forgotten_at is null order by answered_at desc limit 1`.execute(
    db,
  );
  const [row] = rows;
  return (
    row && {
      clock: BigInt(row.clock),
      resetCount: Number(row.reset_count),
      restartCount: Number(row.restart_count),
      firmwareVersion: BigInt(row.firmware_version),
    }
  );
}

export type Answered = {
  readonly id: string;
  readonly at: number;
  readonly verdict: "passed" | "failed";
  readonly check: string | undefined;
  readonly because: string;
  readonly software: KeyAttestation["software"];
  readonly reference: string | undefined;
  readonly pcrs: Readonly<Record<string, string>>;
  readonly counters: TpmCounters | undefined;
  readonly action: "noted" | "quarantined" | undefined;
};

export async function writeAnswer(tx: Transaction, scope: Scope, one: Answered): Promise<void> {
  const { counters } = one;
  await sql`
    update identity.attestation set answered_at = ${new Date(one.at)}, verdict = ${one.verdict}, failed_check = ${one.check ?? null},
      because = ${one.because}, software = ${one.software}, reference = ${one.reference ?? null}, pcrs = ${JSON.stringify(one.pcrs)}::jsonb,
      clock = ${counters?.clock.toString() ?? null}, reset_count = ${counters?.resetCount ?? null}, restart_count = ${counters?.restartCount ?? null},
      firmware_version = ${counters?.firmwareVersion.toString() ?? null}, action = ${one.action ?? null}, secret_hash = null, nonce = null
    where fleet = ${scope.fleet} and id = ${one.id}`.execute(tx);
}

/** The newest attestation that passed for a key of a device since `since`, unless a later one of the device failed. */
export async function findKeyAttestation(
  db: Queryable,
  scope: Scope,
  { device, keyFingerprint, since }: { device: string; keyFingerprint: string; since: number },
): Promise<KeyAttestation | undefined> {
  const { rows } = await sql<{ id: string; software: KeyAttestation["software"]; failed_since: boolean }>`
    select a.id, a.software, exists (select 1 from identity.attestation later where later.fleet = a.fleet and later.device = a.device
      and later.verdict = 'failed' and later.answered_at > a.answered_at) as failed_since
    from identity.attestation a
    where a.fleet = ${scope.fleet} and a.device = ${device} and a.key_fingerprint = ${keyFingerprint} and a.verdict = 'passed'
      and a.forgotten_at is null and a.answered_at > ${new Date(since)}
    order by a.answered_at desc limit 1`.execute(db);
  const [row] = rows;
  return row === undefined || row.failed_since ? undefined : { id: row.id, software: row.software };
}

type AttestationRow = {
  id: string;
  device: string;
  answered_at: Date;
  verdict: "passed" | "failed";
  failed_check: string | null;
  because: string;
  software: KeyAttestation["software"];
  reference: string | null;
  maker: string | null;
  ek_fingerprint: string | null;
  key_fingerprint: string | null;
  pcrs: Record<string, string> | null;
  reset_count: number | null;
  restart_count: number | null;
  firmware_version: string | null;
  action: "noted" | "quarantined" | null;
};

export async function listAttestations(
  db: Queryable,
  scope: Scope,
  { device, limit }: { device?: string | undefined; limit: number },
): Promise<Attestation[]> {
  const { rows } = await sql<AttestationRow>`
    select a.id, a.device, a.answered_at, a.verdict, a.failed_check, a.because, a.software, r.name || ' ' || r.generation as reference, a.maker,
      a.ek_fingerprint, a.key_fingerprint, a.pcrs, a.reset_count, a.restart_count, a.firmware_version, a.action
    from identity.attestation a left join identity.attestation_reference r on r.id = a.reference
    where a.fleet = ${scope.fleet} and a.verdict is not null and (${device ?? null}::text is null or a.device = ${device ?? null})
    order by a.id desc limit ${limit}`.execute(db);
  return rows.map(toAttestation);
}

const toAttestation = (row: AttestationRow): Attestation => ({
  id: row.id,
  device: row.device,
  at: row.answered_at.toISOString(),
  verdict: row.verdict,
  because: row.because,
  software: row.software,
  ...(row.failed_check === null ? {} : { failedCheck: row.failed_check }),
  ...(row.reference === null ? {} : { reference: row.reference }),
  ...(row.maker === null ? {} : { maker: row.maker }),
  ...(row.ek_fingerprint === null ? {} : { ekFingerprint: row.ek_fingerprint }),
  ...(row.key_fingerprint === null ? {} : { keyFingerprint: row.key_fingerprint }),
  ...(row.pcrs === null ? {} : { pcrs: row.pcrs }),
  ...(row.reset_count === null ? {} : { resetCount: Number(row.reset_count) }),
  ...(row.restart_count === null ? {} : { restartCount: Number(row.restart_count) }),
  ...(row.firmware_version === null ? {} : { tpmFirmware: BigInt(row.firmware_version).toString(16) }),
  ...(row.action === null ? {} : { action: row.action }),
});

export async function forgetTpm(tx: Transaction, scope: Scope, { device, at }: { device: string; at: number }): Promise<number> {
  const { rows } = await sql<{ id: string }>`
    update identity.attestation set forgotten_at = ${new Date(at)}
    where fleet = ${scope.fleet} and device = ${device} and forgotten_at is null and verdict = 'passed' returning id`.execute(tx);
  return rows.length;
}

/** Challenges that nobody answered, and claims that were refused, go after their time. */
export async function pruneAttestations(db: Queryable, { now, keepMs }: { now: number; keepMs: number }): Promise<void> {
  await sql`delete from identity.attestation where answered_at is null and expires_at < ${new Date(now - keepMs)}`.execute(db);
  await sql`delete from identity.attestation where verdict = 'failed' and answered_at < ${new Date(now - 90 * keepMs)}`.execute(db);
}
