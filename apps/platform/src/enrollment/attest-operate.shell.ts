import { describeError, newId, type Scope } from "@tenfold/base";
import type { Actor, AttestationDemand, AttestationReference, TimelineEntry, TpmMaker } from "@tenfold/contracts";
import { type Certificate, formatName, fromPem, readCertificate } from "@tenfold/pki";
import {
  deleteMaker,
  forgetTpm,
  insertMaker,
  insertReference,
  listAttestations,
  retireReference,
  writePolicy,
} from "./attestation-store.shell.ts";
import type { EnrollmentDeps } from "./deps.ts";
import { enrollmentProblems } from "./errors.ts";
import { readTrustEvidence } from "./trust-evidence.shell.ts";
import { trustLevel } from "./trust-level.ts";

export type ReferenceWish = {
  name: string;
  model?: string | undefined;
  pcrs?: Readonly<Record<string, readonly string[]>> | undefined;
  device?: string | undefined;
  only?: readonly number[] | undefined;
  actor: Actor;
};

/** What people do about attestation: believe makers, keep references, demand, forget. Each change and its audit entry are one transaction. */
export type AttestOperating = {
  trustMaker(scope: Scope, wish: { name: string; certificatePem: string; actor: Actor }): Promise<TpmMaker>;
  distrustMaker(scope: Scope, wish: { id: string; actor: Actor }): Promise<void>;
  keepReference(scope: Scope, wish: ReferenceWish): Promise<AttestationReference>;
  retireReference(scope: Scope, wish: { id: string; actor: Actor }): Promise<AttestationReference>;
  demand(scope: Scope, wish: { anchor: string; demand: AttestationDemand; actor: Actor }): Promise<void>;
  forgetTpm(scope: Scope, wish: { device: string; reason: string; actor: Actor }): Promise<number>;
  attestationTimeline(scope: Scope, device: string, limit: number): Promise<TimelineEntry[]>;
};

export function createAttestOperating({
  db,
  audit,
  clock,
  registry,
}: Pick<EnrollmentDeps, "db" | "audit" | "clock" | "registry">): AttestOperating {
  return {
    async trustMaker(scope, { name, certificatePem, actor }) {
      const now = clock.now();
      const ca = readMaker(certificatePem, now);
      const subject = formatName(ca.subject);
      const made = await db.transaction().execute(async (tx) => {
        const { der, fingerprint, notAfter } = ca;
        const maker = await insertMaker(tx, scope, { id: newId("tpm", now), name, der, fingerprint, subject, notAfter, at: now });
        if (maker !== undefined)
          await audit(tx, scope, {
            actor,
            action: "tpm_maker.created",
            subject: { kind: "tpm_maker", id: maker.id },
            detail: { name, fingerprint },
          });
        return maker;
      });
      if (made !== undefined) return made;
      throw enrollmentProblems.tpm_maker_exists(`The TPM maker's authority "${subject}" is believed already.`, {
        field: "certificatePem",
      });
    },

    distrustMaker: (scope, { id, actor }) =>
      db.transaction().execute(async (tx) => {
        const gone = await deleteMaker(tx, scope, id);
        if (gone === undefined) throw enrollmentProblems.tpm_maker_unknown(`There is no TPM maker ${id}.`);
        const detail = { name: gone.name, fingerprint: gone.fingerprint };
        await audit(tx, scope, { actor, action: "tpm_maker.deleted", subject: { kind: "tpm_maker", id }, detail });
      }),

    async keepReference(scope, wish) {
      const now = clock.now();
      const pcrs = wish.pcrs ?? (await pcrsOf(wish, scope));
      return db.transaction().execute(async (tx) => {
        const { name, model, actor } = wish;
        const made = await insertReference(tx, scope, { id: newId("ref", now), name, model, pcrs, by: actor.name, at: now });
        await audit(tx, scope, {
          actor,
          action: "attestation_reference.created",
          subject: { kind: "attestation_reference", id: made.id },
          detail: { name, generation: made.generation, model: model ?? null, from: wish.device ?? "given values" },
        });
        return made;
      });
    },

    retireReference: (scope, { id, actor }) =>
      db.transaction().execute(async (tx) => {
        const gone = await retireReference(tx, scope, { id, at: clock.now() });
        if (gone === undefined) throw enrollmentProblems.attestation_reference_unknown(`There is no reference ${id}.`);
        await audit(tx, scope, {
          actor,
          action: "attestation_reference.retired",
          subject: { kind: "attestation_reference", id },
          detail: { name: gone.name, generation: gone.generation },
        });
        return gone;
      }),

    demand: (scope, { anchor, demand, actor }) =>
      db.transaction().execute(async (tx) => {
        if (!(await writePolicy(tx, scope, { anchor, demand, at: clock.now() })))
          throw enrollmentProblems.trust_anchor_unknown(`There is no trust anchor ${anchor}.`);
        const subject = { kind: "trust_anchor", id: anchor };
        await audit(tx, scope, { actor, action: "trust_anchor.attestation_demanded", subject, detail: { demand } });
      }),

    forgetTpm: (scope, { device, reason, actor }) =>
      db.transaction().execute(async (tx) => {
        if ((await registry.find(device))?.scope.fleet !== scope.fleet)
          throw enrollmentProblems.device_unknown(`There is no device "${device}".`);
        const forgotten = await forgetTpm(tx, scope, { device, at: clock.now() });
        await registry.setTrustLevel(tx, scope, device, trustLevel(await readTrustEvidence(tx, scope, device)));
        await audit(tx, scope, {
          actor,
          action: "device.tpm_forgotten",
          subject: { kind: "device", id: device },
          detail: { reason, forgotten },
        });
        return forgotten;
      }),

    async attestationTimeline(scope, device, limit) {
      const items = await listAttestations(db, scope, { device, limit });
      return items.map(({ at, verdict, because, software, id, action }) => ({
        at,
        kind: `identity.attestation_${verdict}`,
        severity: verdict === "failed" ? "error" : software === "differs" ? "warning" : "info",
        text: because,
        detail: { attestation: id, ...(action === undefined ? {} : { action }) },
      }));
    },
  };

  /** What a device quoted when it last passed. */
  async function pcrsOf({ device = "", only }: ReferenceWish, scope: Scope): Promise<Record<string, string[]>> {
    const items = await listAttestations(db, scope, { device, limit: 50 });
    const quoted = items.find(({ verdict, pcrs }) => verdict === "passed" && pcrs !== undefined)?.pcrs;
    if (quoted === undefined)
      throw enrollmentProblems.attestation_unknown(`Device "${device}" has no attestation that passed.`, {
        field: "device",
        fix: `Ask for one: tenfold device run ${device} attest --wait`,
      });
    const chosen = Object.entries(quoted).filter(([pcr]) => only === undefined || only.includes(Number(pcr)));
    if (chosen.length === 0)
      throw enrollmentProblems.attestation_reference_unusable(
        `Device "${device}" quoted the PCRs ${Object.keys(quoted).join(", ")}.`,
        {
          field: "only",
          fix: "Name some of these, or give the values with pcrs.",
        },
      );
    return Object.fromEntries(chosen.map(([pcr, value]) => [pcr, [value]]));
  }
}

/** One CA certificate, or `tpm_maker_unusable` with what is wrong with it. */
function readMaker(pem: string, now: number): Certificate {
  const no = (why: string, cause?: unknown) =>
    enrollmentProblems.tpm_maker_unusable(why, { field: "certificatePem", ...(cause === undefined ? {} : { cause }) });
  let ca: Certificate;
  try {
    const [first, ...more] = fromPem("CERTIFICATE", pem);
    if (first === undefined || more.length > 0) throw new Error("Give one certificate at a time.");
    ca = readCertificate(first);
  } catch (cause) {
    throw no(`This is no certificate: ${describeError(cause)}`, cause);
  }
  if (ca.basicConstraints?.ca !== true) throw no(`"${formatName(ca.subject)}" is no certificate authority.`);
  if (now > ca.notAfter) throw no(`"${formatName(ca.subject)}" expired on ${new Date(ca.notAfter).toISOString()}.`);
  return ca;
}
