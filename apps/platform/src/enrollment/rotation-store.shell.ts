import { sql } from "kysely";
import type { Queryable, Transaction } from "../kernel/index.ts";
import type { RotationFacts, RotationKind, RotationPhase } from "./rotation.ts";

export type StoredRotation = {
  readonly id: string;
  readonly kind: RotationKind;
  readonly phase: RotationPhase;
  readonly share: number;
  readonly heldBecause: string | undefined;
  readonly startedAt: number;
  readonly phaseSince: number;
  readonly endedAt: number | undefined;
  readonly endedBecause: string | undefined;
};

type Row = {
  id: string;
  kind: RotationKind;
  phase: RotationPhase;
  share: number;
  held_because: string | null;
  started_at: Date;
  phase_since: Date;
  ended_at: Date | null;
  ended_because: string | null;
};

const fromRow = (row: Row): StoredRotation => ({
  id: row.id,
  kind: row.kind,
  phase: row.phase,
  share: row.share,
  heldBecause: row.held_because ?? undefined,
  startedAt: row.started_at.getTime(),
  phaseSince: row.phase_since.getTime(),
  endedAt: row.ended_at?.getTime(),
  endedBecause: row.ended_because ?? undefined,
});

/** What the generation of the roots is counted from. */
export async function listTrustChanges(db: Queryable): Promise<{ kind: RotationKind; phase: RotationPhase }[]> {
  const { rows } = await sql<{ kind: RotationKind; phase: RotationPhase }>`select kind, phase from identity.rotation`.execute(db);
  return rows;
}

/** Newest first. */
export async function listRotations(db: Queryable): Promise<StoredRotation[]> {
  const { rows } = await sql<Row>`select * from identity.rotation order by id desc limit 100`.execute(db);
  return rows.map(fromRow);
}

/** The rotation, locked until the transaction ends, so that phases follow each other on all servers. */
export async function lockRotation(tx: Transaction, id: string): Promise<StoredRotation | undefined> {
  const { rows } = await sql<Row>`select * from identity.rotation where id = ${id} for update`.execute(tx);
  return rows[0] && fromRow(rows[0]);
}

export async function findOpenRotation(db: Queryable): Promise<StoredRotation | undefined> {
  const { rows } = await sql<Row>`select * from identity.rotation where ended_at is null`.execute(db);
  return rows[0] && fromRow(rows[0]);
}

/** Undefined when another rotation is open. */
export async function insertRotation(
  tx: Transaction,
  { id, kind, share, at }: { id: string; kind: RotationKind; share: number; at: number },
): Promise<StoredRotation | undefined> {
  const now = new Date(at);
  const { rows } = await sql<Row>`
    insert into identity.rotation (id, kind, phase, share, started_at, phase_since)
    values (${id}, ${kind}, 'distribute', ${share}, ${now}, ${now}) on conflict do nothing returning *`.execute(tx);
  return rows[0] && fromRow(rows[0]);
}

export async function writePhase(
  tx: Transaction,
  { id, phase, at, because }: { id: string; phase: RotationPhase; at: number; because?: string },
): Promise<StoredRotation | undefined> {
  const ended = phase === "done" || phase === "aborted";
  const { rows } = await sql<Row>`
    update identity.rotation set phase = ${phase}, phase_since = ${new Date(at)}, ended_at = ${ended ? new Date(at) : null},
      ended_because = ${because ?? null}, held_because = case when ${ended} then null else held_because end
    where id = ${id} returning *`.execute(tx);
  return rows[0] && fromRow(rows[0]);
}

export async function writeHold(tx: Transaction, id: string, because: string | undefined): Promise<StoredRotation | undefined> {
  const { rows } = await sql<Row>`
    update identity.rotation set held_because = ${because ?? null} where id = ${id} returning *`.execute(tx);
  return rows[0] && fromRow(rows[0]);
}

export type AuthorityRole = "root" | "issuing" | "new_with_old" | "old_with_new";
export type StoredAuthority = {
  readonly id: string;
  readonly rotation: string;
  readonly role: AuthorityRole;
  readonly certificate: Buffer;
  readonly keyName: string | undefined;
};

export async function insertAuthorities(tx: Transaction, authorities: readonly StoredAuthority[]): Promise<void> {
  for (const { id, rotation, role, certificate, keyName } of authorities)
    await sql`
      insert into identity.authority (id, rotation, role, certificate, key_name)
      values (${id}, ${rotation}, ${role}, ${certificate}, ${keyName ?? null})`.execute(tx);
}

/** Every rotation that was not aborted with what it made, oldest first: they lie on each other. */
export async function loadRotations(db: Queryable): Promise<{ rotation: StoredRotation; made: StoredAuthority[] }[]> {
  const { rows } = await sql<Row>`select * from identity.rotation where phase <> 'aborted' order by id`.execute(db);
  const { rows: made } = await sql<{
    id: string;
    rotation: string;
    role: AuthorityRole;
    certificate: Buffer;
    key_name: string | null;
  }>`
    select id, rotation, role, certificate, key_name from identity.authority`.execute(db);
  return rows.map((row) => ({
    rotation: fromRow(row),
    made: made
      .filter(({ rotation }) => rotation === row.id)
      .map(({ key_name, ...one }) => ({ ...one, keyName: key_name ?? undefined })),
  }));
}

/** What the gates look at: `newRoot` is a fingerprint, `oldIssuers` the key identifiers of the issuing CAs that go. */
export async function countFacts(
  db: Queryable,
  {
    newRoot,
    oldIssuers,
    active,
    since,
  }: { newRoot: string | undefined; oldIssuers: readonly string[]; active: readonly string[]; since: number },
): Promise<RotationFacts & { stragglers: string[] }> {
  const { rows: trusting } = await sql<{ device: string }>`
    select device from identity.device_trust where device = any(${active}::text[]) and ${newRoot ?? ""} = any(roots)`.execute(db);
  const { rows: old } = await sql<{ device: string; certificates: number }>`
    select device, count(*) as certificates from enrollment.certificate
    where issuer = any(${oldIssuers}::text[]) and state in ('issued', 'active') and not_after > ${new Date(since)}
      and device = any(${active}::text[])
    group by device`.execute(db);
  const believers = new Set(trusting.map(({ device }) => device));
  const untrusting = newRoot === undefined ? [] : active.filter((device) => !believers.has(device));
  return {
    activeDevices: active.length,
    withNewTrust: newRoot === undefined ? active.length : believers.size,
    oldCertificates: old.reduce((sum, { certificates }) => sum + certificates, 0),
    stragglers: [...new Set([...untrusting, ...old.map(({ device }) => device)])].sort().slice(0, 100),
  };
}

/** The last word of each device counts. */
export async function recordTrust(
  db: Queryable,
  reports: readonly { fleet: string; device: string; roots: readonly string[]; at: number }[],
): Promise<void> {
  const last = new Map(reports.map(({ at, ...one }) => [one.device, { ...one, at: new Date(at).toISOString() }]));
  await sql`
    insert into identity.device_trust (fleet, device, roots, at)
    select fleet, device, array(select jsonb_array_elements_text(roots)), at
    from jsonb_to_recordset(${JSON.stringify([...last.values()])}::jsonb) as given (fleet text, device text, roots jsonb, at timestamptz)
    on conflict (device) do update set roots = excluded.roots, fleet = excluded.fleet, at = excluded.at
    where identity.device_trust.at < excluded.at`.execute(db);
}
