import type { Scope } from "@tenfold/base";
import type { Actor } from "@tenfold/contracts";
import { findBySerialNumber, revokeAllOf, revokeOne, type StoredCertificate } from "./certificate-store.shell.ts";
import type { EnrollmentDeps } from "./deps.ts";
import { enrollmentProblems } from "./errors.ts";

/** A certificate that was revoked just now: whoever holds a connection that uses it closes it. */
type RevokedFact = {
  readonly scope: Scope;
  readonly device: string;
  readonly fingerprint: string;
  readonly serialNumber: string;
};

export type Revocations = {
  /** Revokes one certificate by its serial number. Revoking it twice changes nothing. Throws `certificate_unknown`. */
  revoke(scope: Scope, wish: { serialNumber: string; because: string; actor: Actor }): Promise<StoredCertificate>;
  /** Revokes all certificates of a device, as retiring it does. */
  revokeDevice(scope: Scope, wish: { device: string; because: string; actor: Actor }): Promise<number>;
  /** Called once for each certificate, after the revocation is stored. Returns the function that ends it. */
  onRevoked(listener: (fact: RevokedFact) => void): () => void;
};

export function createRevocations({
  db,
  audit,
  bus,
  clock,
  log,
}: Pick<EnrollmentDeps, "db" | "audit" | "bus" | "clock" | "log">): Revocations {
  const listeners = new Set<(fact: RevokedFact) => void>();
  const announce = (scope: Scope, { device, fingerprint, serialNumber }: StoredCertificate) => {
    for (const listener of listeners) listener({ scope, device, fingerprint, serialNumber });
    bus.publish({ type: "certificate.revoked", subject: device, data: { device, fingerprint } });
    log.info("certificate.revoked", { device, fingerprint });
  };
  return {
    async revoke(scope, { serialNumber, because, actor }) {
      const at = clock.now();
      const found = await findBySerialNumber(db, scope, serialNumber);
      if (found === undefined)
        throw enrollmentProblems.certificate_unknown(`There is no certificate with serial number ${serialNumber}.`, {
          fix: "List them: `tenfold api GET /api/v1/certificates`.",
        });
      const revoked = await db.transaction().execute(async (tx) => {
        const now = await revokeOne(tx, scope, { id: found.id, because, at });
        if (now !== undefined)
          await audit(tx, scope, {
            actor,
            action: "certificate.revoked",
            subject: { kind: "certificate", id: serialNumber },
            detail: { device: now.device, fingerprint: now.fingerprint, because },
          });
        return now;
      });
      if (revoked !== undefined) announce(scope, revoked);
      return revoked ?? found;
    },
    async revokeDevice(scope, { device, because, actor }) {
      const revoked = await db.transaction().execute(async (tx) => {
        const all = await revokeAllOf(tx, scope, { device, because, at: clock.now() });
        for (const one of all)
          await audit(tx, scope, {
            actor,
            action: "certificate.revoked",
            subject: { kind: "certificate", id: one.serialNumber },
            detail: { device, fingerprint: one.fingerprint, because },
          });
        return all;
      });
      for (const one of revoked) announce(scope, one);
      return revoked.length;
    },
    onRevoked(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
