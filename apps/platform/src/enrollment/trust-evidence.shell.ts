import type { Scope } from "@tenfold/base";
import type { DeviceTrust } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable } from "../kernel/index.ts";
import { findKeyAttestation, listAttestations } from "./attestation-store.shell.ts";
import { type TrustEvidence, trustLevel } from "./trust-level.ts";

/** What the tables say about a device's trust. A one-time code is a person's word, whatever the manifest says. */
export async function readTrustEvidence(db: Queryable, scope: Scope, device: string): Promise<TrustEvidence> {
  const { rows } = await sql<{ announced: boolean; by_code: boolean | null; key: string | null }>`
    select exists (
        select 1 from enrollment.manifest_entry m where m.fleet = ${scope.fleet} and m.serial = ${device}
          -- Where a manufacturer must sign, an unsigned word is a person's.
          and (m.signed_by is not null or not exists (
            select 1 from enrollment.certificate c join enrollment.trust_anchor a on a.fleet = c.fleet and a.fingerprint = c.anchor
            where c.fleet = m.fleet and c.device = m.serial and a.manifests = 'signed'))
      ) as announced,
      (select identity like 'code:%' from enrollment.certificate
       where fleet = ${scope.fleet} and device = ${device} and identity not like 'ldevid:%' order by id desc limit 1) as by_code,
      (select key_fingerprint from enrollment.certificate
       where fleet = ${scope.fleet} and device = ${device} and state <> 'revoked' order by id desc limit 1) as key`.execute(db);
  const [row] = rows;
  const announced = row?.announced === true && row.by_code !== true;
  // The newest certificate's key counts, however long ago its TPM vouched for it.
  const attested = row?.key ? await findKeyAttestation(db, scope, { device, keyFingerprint: row.key, since: 0 }) : undefined;
  return {
    admittedBy: announced ? "manifest" : "person",
    keyHeldIn: "software",
    ...(attested === undefined ? {} : { attestation: { keyInTpm: true, software: attested.software } }),
  };
}

export async function readTrust(db: Queryable, scope: Scope, device: string): Promise<DeviceTrust> {
  const evidence = await readTrustEvidence(db, scope, device);
  const { attestation, ...plain } = evidence;
  const [newest] = await listAttestations(db, scope, { device, limit: 1 });
  return {
    device,
    ...trustLevel(evidence),
    evidence: { ...plain, ...(attestation === undefined ? {} : { attestation }) },
    ...(newest === undefined ? {} : { newest }),
  };
}
