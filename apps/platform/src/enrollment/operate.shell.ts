import { randomBytes } from "node:crypto";
import { newId, Problem, type Scope, seconds } from "@tenfold/base";
import type { Actor, PendingEnrollment, TrustAnchor } from "@tenfold/contracts";
import { type Certificate, formatName, fromPem, readCertificate } from "@tenfold/pki";
import { codeFrom, hashCode } from "./code.ts";
import type { EnrollmentDeps } from "./deps.ts";
import { enrollmentProblems } from "./errors.ts";
import { listKeys } from "./manifest-store.shell.ts";
import { decidePending, deleteAnchor, insertAnchor, insertCode, updateAnchor } from "./store.ts";

/** What people do: trust manufacturers, make codes, approve. Each change and its audit entry are one transaction. */
export type Operating = {
  trust(
    scope: Scope,
    wish: {
      name: string;
      certificatePem: string;
      unknownDevices: "approve" | "refuse";
      manifests?: "any" | "signed";
      actor: Actor;
    },
  ): Promise<TrustAnchor>;
  changeTrust(
    scope: Scope,
    wish: { id: string; unknownDevices?: "approve" | "refuse" | undefined; manifests?: "any" | "signed" | undefined; actor: Actor },
  ): Promise<TrustAnchor>;
  distrust(scope: Scope, wish: { id: string; actor: Actor }): Promise<void>;
  makeCode(
    scope: Scope,
    wish: { serial: string; lifetimeS: number; actor: Actor },
  ): Promise<{ serial: string; code: string; expiresAt: string }>;
  decide(
    scope: Scope,
    wish: { id: string; state: "approved" | "rejected"; reason?: string; actor: Actor },
  ): Promise<PendingEnrollment>;
};

export function createOperating({ db, audit, clock }: Pick<EnrollmentDeps, "db" | "audit" | "clock">): Operating {
  return {
    async trust(scope, { name, certificatePem, unknownDevices, manifests = "any", actor }) {
      const now = clock.now();
      const ca = readAnchor(certificatePem, now);
      const made = await db.transaction().execute(async (tx) => {
        const anchor = await insertAnchor(tx, scope, {
          id: newId("anc", now),
          name,
          der: ca.der,
          fingerprint: ca.fingerprint,
          subject: formatName(ca.subject),
          notAfter: ca.notAfter,
          unknownDevices,
          manifests,
          createdAt: now,
        });
        if (anchor !== undefined)
          await audit(tx, scope, {
            actor,
            action: "trust_anchor.created",
            subject: { kind: "trust_anchor", id: anchor.id },
            detail: { name, fingerprint: ca.fingerprint, unknownDevices, manifests },
          });
        return anchor;
      });
      if (made === undefined)
        throw enrollmentProblems.trust_anchor_exists(`The certificate authority "${formatName(ca.subject)}" is trusted already.`, {
          field: "certificatePem",
        });
      return { ...made, manifestKeys: [] };
    },

    changeTrust: (scope, { id, unknownDevices, manifests, actor }) =>
      db.transaction().execute(async (tx) => {
        const wish = { id, ...(unknownDevices ? { unknownDevices } : {}), ...(manifests ? { manifests } : {}) };
        const changed = await updateAnchor(tx, scope, wish);
        if (changed === undefined) throw enrollmentProblems.trust_anchor_unknown(`There is no trust anchor ${id}.`);
        const detail = { unknownDevices: changed.unknownDevices, manifests: changed.manifests };
        await audit(tx, scope, { actor, action: "trust_anchor.changed", subject: { kind: "trust_anchor", id }, detail });
        return { ...changed, manifestKeys: (await listKeys(tx, scope)).get(id) ?? [] };
      }),

    async distrust(scope, { id, actor }) {
      await db.transaction().execute(async (tx) => {
        const gone = await deleteAnchor(tx, scope, id);
        if (gone === undefined) throw enrollmentProblems.trust_anchor_unknown(`There is no trust anchor ${id}.`);
        await audit(tx, scope, {
          actor,
          action: "trust_anchor.deleted",
          subject: { kind: "trust_anchor", id },
          detail: { name: gone.name, fingerprint: gone.fingerprint },
        });
      });
    },

    async makeCode(scope, { serial, lifetimeS, actor }) {
      const now = clock.now();
      const [code, salt] = [codeFrom(randomBytes(16)), randomBytes(16)];
      const expiresAt = now + seconds(lifetimeS);
      await db.transaction().execute(async (tx) => {
        const id = newId("otc", now);
        await insertCode(tx, scope, { id, serial, salt, hash: hashCode(code, salt), at: now, expiresAt });
        await audit(tx, scope, {
          actor,
          action: "enrollment_code.created",
          subject: { kind: "device", id: serial },
          detail: { id, expiresAt: new Date(expiresAt).toISOString() },
        });
      });
      return { serial, code, expiresAt: new Date(expiresAt).toISOString() };
    },

    decide: (scope, { id, state, reason, actor }) =>
      db.transaction().execute(async (tx) => {
        const decided = await decidePending(tx, scope, { id, state, at: clock.now(), ...(reason === undefined ? {} : { reason }) });
        if (decided === undefined) throw enrollmentProblems.pending_enrollment_unknown(`No enrollment ${id} waits for approval.`);
        if (decided === "decided") throw enrollmentProblems.pending_enrollment_decided(`Enrollment ${id} was decided before.`);
        await audit(tx, scope, {
          actor,
          action: `enrollment.${state}`,
          subject: { kind: "device", id: decided.serial },
          detail: { id, keyFingerprint: decided.keyFingerprint, reason: reason ?? null },
        });
        return decided;
      }),
  };
}

/** One CA certificate that could have signed a device's identity, or `trust_anchor_unusable` with what is wrong with it. */
function readAnchor(pem: string, now: number): Certificate {
  const no = (why: string, cause?: unknown) =>
    enrollmentProblems.trust_anchor_unusable(`This cannot be a trust anchor: ${why}`, {
      field: "certificatePem",
      fix: "Give the manufacturer's CA certificate in PEM form.",
      cause,
    });
  try {
    const [only, ...more] = fromPem("CERTIFICATE", pem);
    if (only === undefined || more.length > 0) throw no(`it holds ${more.length + 1} certificates; give one.`);
    const certificate = readCertificate(only);
    if (certificate.basicConstraints?.ca !== true) throw no(`"${formatName(certificate.subject)}" is not a certificate authority.`);
    if (certificate.notAfter < now)
      throw no(`"${formatName(certificate.subject)}" expired on ${new Date(certificate.notAfter).toISOString()}.`);
    return certificate;
  } catch (error) {
    if (error instanceof Problem && error.code !== "trust_anchor_unusable") throw no(error.message, error);
    throw error;
  }
}
