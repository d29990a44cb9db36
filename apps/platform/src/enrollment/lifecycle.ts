import { hours } from "@tenfold/base";
import type { Certificate as ApiCertificate } from "@tenfold/contracts";
import type { Refusal } from "./attempt.ts";

/** A certificate that was replaced stays good for this long after its successor was first used. */
const overlap = hours(24);

export type StoredState = "issued" | "active" | "superseded" | "revoked";

export type CertificateFacts = {
  readonly serialNumber: string;
  readonly state: StoredState;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly supersededAt: number | undefined;
  readonly revokedAt: number | undefined;
  readonly revokedBecause: string | undefined;
};

export type CertificateFault = { readonly because: Refusal; readonly reason: string; readonly fix: string };

/** Why one of our certificates may not be used now; undefined when it may. */
export function judgeCertificate(facts: CertificateFacts | undefined, now: number): CertificateFault | undefined {
  const enroll = "Enroll again with the IDevID or a one-time code.";
  if (facts === undefined) {
    return {
      because: "certificate_unknown",
      reason: "The certificate bears our signature but stands in no record.",
      fix: "Was a backup restored? Enroll the device again.",
    };
  }
  const named = `Certificate ${facts.serialNumber}`;
  if (facts.state === "revoked")
    return {
      because: "certificate_revoked",
      reason: `${named} was revoked on ${iso(facts.revokedAt)}: ${facts.revokedBecause ?? "no reason given"}.`,
      fix: enroll,
    };
  if (now > facts.notAfter)
    return { because: "certificate_expired", reason: `${named} expired on ${iso(facts.notAfter)}.`, fix: enroll };
  if (now < facts.notBefore)
    return {
      because: "certificate_not_yet_valid",
      reason: `${named} is not valid before ${iso(facts.notBefore)}.`,
      fix: "Check the server's clock.",
    };
  if (facts.supersededAt !== undefined && now > facts.supersededAt + overlap) {
    return {
      because: "certificate_superseded",
      reason: `${named} was replaced on ${iso(facts.supersededAt)} by a newer one, which was used.`,
      fix: "Use the newest certificate. If the device has none, it may be a copy of another device.",
    };
  }
  return undefined;
}

/** The state that people see: what is stored, except that time ends every certificate. */
export const shownState = (facts: CertificateFacts, now: number): ApiCertificate["state"] =>
  facts.state !== "revoked" && now > facts.notAfter ? "expired" : facts.state;

const iso = (at: number | undefined): string => (at === undefined ? "an unknown day" : new Date(at).toISOString());
