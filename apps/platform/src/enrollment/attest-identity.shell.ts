import { defaultScope, type Scope } from "@tenfold/base";
import { certificateFingerprint } from "@tenfold/pki";
import { type Refused, refuse } from "./attempt.ts";
import type { Refusals } from "./attempt-log.shell.ts";
import type { AttestationFailurePolicy } from "./attestation.ts";
import type { AuthorityPicture } from "./authorities.shell.ts";
import { findByFingerprint } from "./certificate-store.shell.ts";
import { judgeCode } from "./code.ts";
import type { EnrollmentDeps } from "./deps.ts";
import { enrollmentProblems } from "./errors.ts";
import { type Credential, identify, type Shown } from "./identify.ts";
import { judgeDevice, serialFor } from "./judge.ts";
import { judgeCertificate } from "./lifecycle.ts";
import { countWrongCode, findCode, loadTrust } from "./store.ts";

export type AttestDeps = Pick<EnrollmentDeps, "db" | "registry" | "clock" | "log"> & {
  authorities: () => AuthorityPicture;
  refusals: Refusals;
  onAttestationFailure: AttestationFailurePolicy;
};

/** Who asks, as the connection shows it. */
export type Attesting = { readonly shown: Shown; readonly remoteAddress: string | undefined };

type Known = { readonly device: string; readonly scope: Scope; readonly model: string | undefined };

/**
 * The device behind a credential: the same three that enroll, a certificate in use among them. A quarantined device may attest: it shows that it is itself. Throws
 * `attestation_not_authenticated` or `attestation_refused`, and notes why in the attempt log.
 */
export async function identifyDevice(deps: AttestDeps, who: Attesting): Promise<Known> {
  const { db, clock, registry } = deps;
  const { roots, issuers } = deps.authorities();
  const credential = identify(who.shown, {
    roots,
    issuing: issuers.map(({ certificate }) => certificate),
    anchors: await loadTrust(db),
    at: clock.now(),
  });
  if (credential.is === "refused") throw await refused(deps, who, credential);
  const serial = serialFor(credential);
  if (typeof serial !== "string") throw await refused(deps, who, serial);
  const { scope, fault } = await judgeCredential(deps, credential, serial);
  if (fault !== undefined) throw await refused(deps, who, fault);
  const known = await registry.find(serial);
  const outOfService = known?.lifecycle === "quarantined" ? undefined : judgeDevice({ device: known, serial });
  if (outOfService !== undefined) throw await refused(deps, who, outOfService);
  return { device: serial, scope, model: known?.model };
}

async function judgeCredential(
  { db, clock }: AttestDeps,
  credential: Credential,
  serial: string,
): Promise<{ scope: Scope; fault?: Refused | undefined }> {
  if (credential.is === "idevid") return { scope: { fleet: credential.anchor.fleet } };
  if (credential.is === "code") return judgeOneTimeCode({ db, clock }, { serial, code: credential.code });
  const facts = await findByFingerprint(db, credential.certificate.fingerprint);
  const fault = judgeCertificate(facts, clock.now());
  return {
    scope: { fleet: facts?.fleet ?? defaultScope.fleet },
    ...(fault === undefined ? {} : { fault: refuse({ step: "client_certificate", ...fault, status: 403 }) }),
  };
}

/** The code is not spent by attesting: the certificate that follows spends it. */
async function judgeOneTimeCode(
  { db, clock }: Pick<AttestDeps, "db" | "clock">,
  given: { serial: string; code: string },
): Promise<{ scope: Scope; fault?: Refused }> {
  const facts = await findCode(db, given.serial);
  const verdict = judgeCode({ ...given, now: clock.now() }, facts);
  const scope = { fleet: facts?.fleet ?? defaultScope.fleet };
  if (verdict.is !== "refused") return { scope };
  if (facts !== undefined && verdict.because === "code_wrong") await db.transaction().execute((tx) => countWrongCode(tx, facts.id));
  return { scope, fault: verdict };
}

async function refused({ refusals }: AttestDeps, { shown, remoteAddress }: Attesting, fault: Refused) {
  const fingerprint = shown.chain[0] && certificateFingerprint(shown.chain[0]);
  const entry = { operation: "attest", method: "none", verdict: "refused" } as const;
  await refusals.note(defaultScope, { ...fault, ...entry, remoteAddress, fingerprint, serial: shown.basic?.user });
  const make = fault.status === 401 ? enrollmentProblems.attestation_not_authenticated : enrollmentProblems.attestation_refused;
  return make(fault.reason, { field: fault.because, fix: fault.fix });
}
