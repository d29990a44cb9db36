import type { Scope } from "@tenfold/base";
import type { DeviceTrust } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Queryable } from "../kernel/index.ts";
import { type TrustEvidence, trustLevel } from "./trust-level.ts";

/** What the tables say about a device's trust. A one-time code is a person's word, whatever the manifest says. */
export async function readTrustEvidence(db: Queryable, scope: Scope, device: string): Promise<TrustEvidence> {
  const { rows } = await sql<{ announced: boolean; by_code: boolean | null }>`
    select exists (select 1 from enrollment.manifest_entry where fleet = ${scope.fleet} and serial = ${device}) as announced,
      (select identity like 'code:%' from enrollment.certificate
       where fleet = ${scope.fleet} and device = ${device} and identity not like 'ldevid:%' order by id desc limit 1) as by_code`.execute(
    db,
  );
  const announced = rows[0]?.announced === true && rows[0].by_code !== true;
  return { admittedBy: announced ? "manifest" : "person", keyHeldIn: "software" };
}

export async function readTrust(db: Queryable, scope: Scope, device: string): Promise<DeviceTrust> {
  const evidence = await readTrustEvidence(db, scope, device);
  const { attestation, ...plain } = evidence;
  return { device, ...trustLevel(evidence), evidence: { ...plain, ...(attestation === undefined ? {} : { attestation }) } };
}
