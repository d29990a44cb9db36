import type { X509Certificate } from "node:crypto";
import { defaultScope, type Scope } from "@tenfold/base";
import { type ChainVerdict, certificateFingerprint, validateDerChain } from "@tenfold/pki";
import { type AdmitFault, type AdmitRefusal, judgeConnection } from "./admit.ts";
import type { Refusals } from "./attempt-log.shell.ts";
import type { AuthorityPicture } from "./authorities.shell.ts";
import { activateCertificate, findByFingerprint, type StoredCertificate } from "./certificate-store.shell.ts";
import type { EnrollmentDeps } from "./deps.ts";
import { loadTrust } from "./store.ts";

type Admission =
  | {
      readonly is: "admit";
      readonly device: string;
      readonly scope: Scope;
      readonly fingerprint: string;
      readonly issuedAt: number;
    }
  | { readonly is: "refuse"; readonly because: AdmitRefusal; readonly detail: string };

/** Whether the holder of a certificate may connect now. The caller's TLS has verified that the peer holds its key. */
export type Admit = (certificate: Pick<X509Certificate, "raw">, from?: { remoteAddress?: string }) => Promise<Admission>;

export type AdmitDeps = Pick<EnrollmentDeps, "db" | "registry" | "clock"> & {
  authorities: () => AuthorityPicture;
  refusals: Refusals;
};

export function createAdmit(deps: AdmitDeps): Admit {
  return async ({ raw }, { remoteAddress } = {}) => {
    const now = deps.clock.now();
    const fingerprint = certificateFingerprint(raw);
    const stored = await findByFingerprint(deps.db, fingerprint);
    const device = stored && (await deps.registry.find(stored.device));
    const chain = judgeOwnChain(deps.authorities(), raw, now);
    const couldEnroll = stored === undefined && chain.is === "invalid" && (await isManufacturers(deps, raw, now));
    const fault = judgeConnection({ now, chain, couldEnroll, certificate: stored, device });
    if (fault !== undefined || stored === undefined) return refuse(deps, { fault, fingerprint, stored, remoteAddress });
    const scope = { fleet: stored.fleet };
    if (stored.state === "issued") {
      await deps.db
        .transaction()
        .execute((tx) =>
          activateCertificate(tx, scope, { id: stored.id, device: stored.device, generation: stored.generation, at: now }),
        );
    }
    return { is: "admit", device: stored.device, scope, fingerprint, issuedAt: stored.issuedAt };
  };
}

function judgeOwnChain({ roots, issuers }: AuthorityPicture, raw: Buffer, at: number): ChainVerdict {
  const intermediates = issuers.map(({ certificate }) => certificate);
  return validateDerChain({ chain: [raw], intermediates, anchors: roots, at, usage: "device" });
}

async function isManufacturers({ db }: AdmitDeps, raw: Buffer, at: number): Promise<boolean> {
  const anchors = (await loadTrust(db)).map((anchor) => anchor.certificate);
  return validateDerChain({ chain: [raw], anchors, at, usage: "device" }).is === "valid";
}

type RefusedConnection = {
  fault: AdmitFault | undefined;
  fingerprint: string;
  stored: StoredCertificate | undefined;
  remoteAddress: string | undefined;
};

const unknownCertificate: AdmitFault = {
  because: "certificate_unknown",
  reason: "The certificate stands in no record.",
  fix: "Enroll the device again.",
};

async function refuse(
  { refusals }: AdmitDeps,
  { fault = unknownCertificate, fingerprint, stored, remoteAddress }: RefusedConnection,
): Promise<Admission> {
  await refusals.note(stored === undefined ? defaultScope : { fleet: stored.fleet }, {
    operation: "connect",
    method: stored === undefined ? "none" : "ldevid",
    verdict: "refused",
    step: "connect",
    because: fault.because,
    reason: fault.reason,
    fix: fault.fix,
    serial: stored?.device,
    device: stored?.device,
    fingerprint,
    remoteAddress,
  });
  return { is: "refuse", because: fault.because, detail: `${fault.reason} ${fault.fix}` };
}
