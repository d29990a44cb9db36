import { days, defaultScope, minutes, newId, Problem, type Scope, seconds } from "@tenfold/base";
import {
  type Authority,
  type CertificateRequest,
  certificateFingerprint,
  formatName,
  issueCertificate,
  issuerOf,
  randomSerial,
  spkiFingerprint,
} from "@tenfold/pki";
import type { Transaction } from "../kernel/index.ts";
import { type Method, type Operation, type Refused, refuse } from "./attempt.ts";
import { type AttemptEntry, insertAttempt, type Refusals } from "./attempt-log.shell.ts";
import { freshFor } from "./attestation.ts";
import { demandOf, findKeyAttestation } from "./attestation-store.shell.ts";
import { type AuthorityPicture, issuerId } from "./authorities.shell.ts";
import { clockAllowance } from "./authority.shell.ts";
import { findByFingerprint, findKeyHolder, findPast, findRepeated, insertCertificate } from "./certificate-store.shell.ts";
import { codeSpent, judgeCode } from "./code.ts";
import type { EnrollmentDeps } from "./deps.ts";
import { type Credential, identify, type Shown } from "./identify.ts";
import { type Decision, judgeDevice, judgeEnrollment, serialFor } from "./judge.ts";
import { judgeLinking, type Linking, repeatOf } from "./linking.ts";
import { findExpected } from "./manifest-store.shell.ts";
import { deviceName, deviceUri } from "./names.ts";
import { readRequest } from "./request.ts";
import { countWrongCode, enqueue, findApproval, findCode, loadTrust, lockSerial, spendCode } from "./store.ts";
import { readTrustEvidence } from "./trust-evidence.shell.ts";
import { trustLevel } from "./trust-level.ts";

type EnrollRequest = {
  readonly operation: Extract<Operation, "simpleenroll" | "simplereenroll" | "link_renewal">;
  readonly body: Uint8Array;
  readonly shown: Shown;
  readonly remoteAddress: string | undefined;
  /** The connection that carries the request; without one, nothing is said about linking. */
  readonly linking?: Linking;
};

/** What came of it. `der` is the new certificate; `retryAfter` is in milliseconds. */
export type EnrollOutcome =
  | { readonly is: "issued"; readonly device: string; readonly der: Buffer }
  | { readonly is: "pending"; readonly retryAfter: number }
  | Refused;

export type Enroll = (request: EnrollRequest) => Promise<EnrollOutcome>;

/** [E24] A device that lost the answer gets the same certificate again. */
const repeatWindow = minutes(10);
const pollEvery = seconds(30);
const methodOf = { idevid: "idevid", ldevid: "ldevid", code: "one_time_code" } as const satisfies Record<Credential["is"], Method>;

export type EnrollDeps = Pick<
  EnrollmentDeps,
  "db" | "registry" | "clock" | "bus" | "certificateLifetime" | "deviceUrl" | "renewalGrace"
> & {
  authorities: () => AuthorityPicture;
  refusals: Refusals;
  /** Told of a proven fork, once the refusal stands in the log. */
  forked: (scope: Scope, evidence: ForkEvidence) => Promise<void>;
};

type ForkEvidence = { readonly device: string; readonly detail: Record<string, string | number> };

/** One enrollment from bytes to certificate: read, identify, judge, record, sign. Whatever comes of it stands in the attempt log. */
export function createEnroll(deps: EnrollDeps): Enroll {
  return async (asked) => {
    const now = deps.clock.now();
    const request = readRequest(asked.body);
    if ("is" in request) return refuseUnknown(deps, asked, request);
    const { roots, issuers } = deps.authorities();
    const credential = identify(asked.shown, {
      roots,
      issuing: issuers.map(({ certificate }) => certificate),
      anchors: await loadTrust(deps.db),
      at: now,
    });
    if (credential.is === "refused") return refuseUnknown(deps, asked, credential);
    const unlinked = asked.linking && judgeLinking(request.linking, asked.linking);
    if (unlinked !== undefined) return refuseUnknown(deps, asked, unlinked);
    const serial = serialFor(credential);
    if (typeof serial !== "string") return refuseUnknown(deps, asked, serial);
    const known = await deps.registry.find(serial);
    const scope = await scopeFor(deps, credential, serial);
    const attempt: Attempt = { asked, request, credential, serial, device: known, scope, now };
    // Refusals are values, so that a wrong guess at a code is counted by the same transaction.
    const outcome = await deps.db
      .transaction()
      .execute((tx) => decideAndIssue(tx, deps, attempt))
      .catch(conflictAsRefusal);
    if (outcome.is === "refused") await deps.refusals.note(scope, { ...entryFor(attempt), verdict: "refused", ...outcome });
    if (outcome.is === "refused" && outcome.because === "generation_forked") await deps.forked(scope, evidenceOf(attempt));
    announce(deps, attempt, outcome);
    return outcome;
  };
}

function evidenceOf({ serial, credential, request, asked }: Attempt): ForkEvidence {
  const certificate = credential.is === "code" ? undefined : credential.certificate;
  return {
    device: serial,
    detail: {
      certificate: certificate?.serialNumber ?? "none",
      newKey: spkiFingerprint(request.publicKey.der),
      remoteAddress: asked.remoteAddress ?? "unknown",
    },
  };
}

/** What the registry does not allow (a suspension a moment ago, an id of another fleet) is a refusal like the others. */
function conflictAsRefusal(error: unknown): Refused {
  if (!(error instanceof Problem) || error.status >= 500) throw error;
  return refuse({
    step: "device",
    because: "device_conflict",
    reason: error.message,
    fix: error.fix ?? "Look at the device's page.",
    status: 403,
  });
}

type Attempt = {
  readonly asked: EnrollRequest;
  readonly request: CertificateRequest;
  readonly credential: Credential;
  readonly serial: string;
  readonly device: Awaited<ReturnType<EnrollDeps["registry"]["find"]>>;
  readonly scope: Scope;
  readonly now: number;
};

async function refuseUnknown({ refusals }: EnrollDeps, asked: EnrollRequest, refused: Refused): Promise<Refused> {
  const { operation, remoteAddress, shown } = asked;
  await refusals.note(defaultScope, {
    ...refused,
    operation,
    method: "none",
    verdict: "refused",
    remoteAddress,
    serial: shown.basic?.user,
    fingerprint: firstFingerprint(shown),
  });
  return refused;
}

const firstFingerprint = ({ chain }: Shown): string | undefined => chain[0] && certificateFingerprint(chain[0]);

/** The fleet that a credential belongs to: the anchor's, the code's, or that of the certificate which is renewed. */
async function scopeFor({ db }: EnrollDeps, credential: Credential, serial: string): Promise<Scope> {
  if (credential.is === "idevid") return { fleet: credential.anchor.fleet };
  if (credential.is === "code") return { fleet: (await findCode(db, serial))?.fleet ?? defaultScope.fleet };
  return { fleet: (await findByFingerprint(db, credential.certificate.fingerprint))?.fleet ?? defaultScope.fleet };
}

async function decideAndIssue(tx: Transaction, deps: EnrollDeps, attempt: Attempt): Promise<EnrollOutcome> {
  const { scope, serial, credential, request, now } = attempt;
  await lockSerial(tx, scope, serial);
  const code = credential.is === "code" ? await checkCode(tx, { serial, code: credential.code, now }) : undefined;
  if (code?.is === "refused") return code;
  const identity = code === undefined ? identityOf(credential) : `code:${code.id}`;
  const outOfService = judgeDevice({ device: attempt.device, serial });
  if (outOfService !== undefined) return outOfService;
  const repeated = await findRepeated(tx, { identity, requestHash: repeatOf(request), since: now - repeatWindow });
  if (repeated !== undefined) return { is: "issued", device: repeated.device, der: repeated.der };
  if (code?.spent) return codeSpent(serial);
  const { decision, past } = await judge(tx, deps, attempt);
  if (decision.is === "refused") return decision;
  if (decision.is === "wait") return wait(tx, deps, attempt);
  if (code !== undefined) await spendCode(tx, { id: code.id, at: now });
  return issue(tx, deps, { ...attempt, identity, past, trustLevel: decision.trustLevel });
}

const identityOf = (credential: Credential): string =>
  credential.is === "code" ? "" : `${credential.is}:${credential.certificate.fingerprint}`;

async function checkCode(
  tx: Transaction,
  given: { serial: string; code: string; now: number },
): Promise<{ is: "good"; id: string; spent: boolean } | Refused> {
  const facts = await findCode(tx, given.serial);
  const verdict = judgeCode(given, facts);
  if (verdict.is === "refused" || facts === undefined) {
    if (facts !== undefined && verdict.is === "refused" && verdict.because === "code_wrong") await countWrongCode(tx, facts.id);
    return verdict.is === "refused" ? verdict : codeSpent(given.serial);
  }
  return { is: "good", id: facts.id, spent: verdict.spent };
}

type Past = { boundTo: string | undefined; generation: number };

async function judge(
  tx: Transaction,
  { renewalGrace = days(30) }: EnrollDeps,
  { request, credential, serial, device, scope, now }: Attempt,
): Promise<{ decision: Decision; past: Past }> {
  const keyFingerprint = spkiFingerprint(request.publicKey.der);
  const past = await findPast(tx, scope, serial);
  const announced = await findExpected(tx, scope, serial);
  const decision = judgeEnrollment({
    request,
    credential,
    serial,
    now,
    device,
    announced,
    approval: credential.is === "idevid" ? await findApproval(tx, scope, pendingKey(credential, serial)) : undefined,
    boundTo: past.boundTo ?? announced?.signedBy,
    keyHolder: await findKeyHolder(tx, { keyFingerprint, device: serial }),
    renewed: credential.is === "ldevid" ? await findByFingerprint(tx, credential.certificate.fingerprint) : undefined,
    newestGeneration: past.generation,
    grace: renewalGrace,
    demand: await demandOf(tx, scope, credential.is === "idevid" ? credential.anchor.certificate.fingerprint : past.boundTo),
    attested: await findKeyAttestation(tx, scope, { device: serial, keyFingerprint, since: now - freshFor }),
  });
  return { decision, past };
}

// The manufacturer's key, not the request's: a device that makes a new request at each boot is still one entry in the queue.
const pendingKey = (credential: Extract<Credential, { is: "idevid" }>, serial: string) => ({
  serial,
  keyFingerprint: spkiFingerprint(credential.certificate.publicKey.der),
});

async function wait(tx: Transaction, { registry }: EnrollDeps, attempt: Attempt): Promise<EnrollOutcome> {
  const { credential, serial, scope, now } = attempt;
  if (credential.is !== "idevid") throw new TypeError("Only a device with a manufacturer's certificate can wait for approval.");
  await enqueue(tx, scope, { ...pendingKey(credential, serial), anchor: credential.anchor.name, at: now });
  await registry.register(tx, scope, { id: serial, lifecycle: "pending", trustLevel: 0 });
  await insertAttempt(tx, scope, {
    ...entryFor(attempt),
    verdict: "pending",
    step: "approval",
    because: "approval_needed",
    reason: `Serial number ${serial} stands in no manifest and waits for approval.`,
    fix: `Approve it: \`tenfold enroll pending\` shows its id for \`tenfold enroll approve ID\`.`,
    at: now,
    repeats: `${Math.floor(now / minutes(1))}/${scope.fleet}/pending/${serial}`,
  });
  return { is: "pending", retryAfter: pollEvery };
}

type Issuing = Attempt & { identity: string; past: Past; trustLevel: number };

/** Records, registers, then signs: without an entry in the log there is no signature. */
async function issue(tx: Transaction, deps: EnrollDeps, issuing: Issuing): Promise<EnrollOutcome> {
  const { serial, scope, now, request, credential, past } = issuing;
  const renewal = credential.is === "ldevid";
  const attempt = await insertAttempt(tx, scope, {
    ...entryFor(issuing),
    device: serial,
    verdict: "issued",
    step: "issue",
    ...outcomeOf(issuing),
    at: now,
  });
  if (!renewal) await admitDevice(tx, deps, issuing);
  const authority = deps.authorities().issuing;
  const certificate = await sign(deps, authority, issuing);
  await insertCertificate(tx, scope, {
    id: newId("crt", now),
    serialNumber: certificate.serialNumber,
    fingerprint: certificate.fingerprint,
    device: serial,
    subject: formatName(certificate.subject),
    issuer: issuerId(authority),
    der: certificate.der,
    keyFingerprint: spkiFingerprint(request.publicKey.der),
    requestHash: repeatOf(request),
    identity: issuing.identity,
    anchor: credential.is === "idevid" ? credential.anchor.certificate.fingerprint : undefined,
    attempt,
    generation: past.generation + 1,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    issuedAt: now,
  });
  await deps.registry.setTrustLevel(tx, scope, serial, trustLevel(await readTrustEvidence(tx, scope, serial)));
  return { is: "issued", device: serial, der: certificate.der };
}

function outcomeOf({ credential, serial, now }: Issuing): { because: string; reason: string } {
  if (credential.is !== "ldevid") return { because: "enrolled", reason: `Device ${serial} enrolled.` };
  const { notAfter } = credential.certificate;
  if (now <= notAfter) return { because: "renewed", reason: `Certificate of ${serial} renewed.` };
  const ended = new Date(notAfter).toISOString();
  return { because: "recovered", reason: `Certificate of ${serial} renewed within the grace after its end on ${ended}.` };
}

/** The registry's device becomes active; one that nobody announced is made. */
async function admitDevice(tx: Transaction, { registry }: EnrollDeps, { scope, serial, trustLevel }: Issuing): Promise<void> {
  const announced = await findExpected(tx, scope, serial);
  const { model, tags } = announced ?? {};
  const known = await registry.register(tx, scope, {
    id: serial,
    lifecycle: "active",
    trustLevel,
    ...(model ? { model } : {}),
    ...(tags ? { tags } : {}),
  });
  if (known === "already") await registry.activate(tx, scope, serial, { trustLevel });
}

function sign(
  { certificateLifetime = days(30), deviceUrl }: EnrollDeps,
  authority: Authority,
  { scope, serial, now, request }: Issuing,
) {
  const base = deviceUrl?.()?.replace(/\/$/, "");
  return issueCertificate({
    issuer: issuerOf(authority),
    // [E21] The subject of the request is a wish; ours is the registry's.
    subject: deviceName(serial),
    alternativeNames: [deviceUri(scope, serial)],
    publicKey: request.publicKey,
    serial: randomSerial(),
    notBefore: now - clockAllowance,
    notAfter: Math.min(now + certificateLifetime, authority.certificate.notAfter),
    usage: "device",
    ...(base === undefined ? {} : { crlUri: `${base}/crl/${issuerId(authority)}.crl`, ocspUri: `${base}/ocsp` }),
  });
}

function entryFor({
  asked,
  credential,
  serial,
}: Attempt): Pick<AttemptEntry, "operation" | "method" | "serial" | "remoteAddress" | "fingerprint"> {
  return {
    operation: asked.operation,
    method: methodOf[credential.is],
    serial,
    remoteAddress: asked.remoteAddress,
    fingerprint: credential.is === "code" ? undefined : credential.certificate.fingerprint,
  };
}

function announce({ bus }: EnrollDeps, { serial, asked }: Attempt, outcome: EnrollOutcome): void {
  bus.publish({ type: "enrollment.attempted", subject: serial, data: { verdict: outcome.is, operation: asked.operation } });
  if (outcome.is === "issued") bus.publish({ type: "certificate.issued", subject: serial, data: { device: serial } });
}
