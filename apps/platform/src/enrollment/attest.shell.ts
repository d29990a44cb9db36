import { randomBytes } from "node:crypto";
import { minutes, newId, type Scope } from "@tenfold/base";
import type {
  Actor,
  AttestationChallenge,
  AttestationClaim,
  AttestationEvidence,
  AttestationOutcome,
  Lifecycle,
} from "@tenfold/contracts";
import {
  judgeClaim,
  judgeEvidence,
  makeCredential,
  matchReference,
  type PlausibleClaim,
  readTpmPublic,
  spkiFingerprint,
  type TpmFault,
} from "@tenfold/pki";
import type { Transaction } from "../kernel/index.ts";
import { type AttestDeps, type Attesting, identifyDevice } from "./attest-identity.shell.ts";
import {
  type AttestationFailurePolicy,
  calledForAction,
  ekFingerprintOf,
  hashOfSecret,
  judgeBinding,
  pcrsFor,
  type Reference,
  referencesFor,
  sentenceOf,
} from "./attestation.ts";
import {
  type Answered,
  type Challenge,
  findCounters,
  findTpmPast,
  insertChallenge,
  insertFailedClaim,
  loadMakers,
  loadReferences,
  lockChallenge,
  writeAnswer,
} from "./attestation-store.shell.ts";
import { enrollmentProblems } from "./errors.ts";
import { lockSerial } from "./store.ts";
import { readTrustEvidence } from "./trust-evidence.shell.ts";
import { trustLevel } from "./trust-level.ts";

/** The two steps of an attestation (docs/protocol/attestation.md). Both throw a problem that the device's HTTPS endpoint answers. */
export type Attest = {
  begin(who: Attesting, claim: AttestationClaim): Promise<AttestationChallenge>;
  answer(who: Attesting, answer: { id: string; evidence: AttestationEvidence }): Promise<AttestationOutcome>;
};

const challengeFor = minutes(5);
const attester: Actor = { kind: "system", id: "attestation", name: "attestation" };

export function createAttest(deps: AttestDeps): Attest {
  const { db, clock } = deps;
  return {
    async begin(who, claim) {
      const { device, scope, model } = await identifyDevice(deps, who);
      const now = clock.now();
      const makers = await loadMakers(db, scope);
      const judged = judgeClaim(bytesOf(claim), { anchors: makers.map(({ certificate }) => certificate), at: now });
      const pcrs = pcrsFor(referencesFor(await loadReferences(db, scope), model));
      const begun = await db.transaction().execute(async (tx) => {
        await lockSerial(tx, scope, device);
        const fault = judged.is === "fault" ? judged : await judgeAgainstPast(tx, scope, { device, claim: judged });
        if (fault !== undefined || judged.is === "fault") {
          const ekFingerprint = judged.is === "plausible" ? ekFingerprintOf(judged.ek) : undefined;
          const failed = fault ?? (judged as TpmFault);
          const { check, detail: because } = failed;
          await insertFailedClaim(tx, scope, { id: newId("att", now), device, at: now, check, because, ekFingerprint });
          return failed;
        }
        const maker = makers.find(({ certificate }) => certificate.fingerprint === judged.anchor.fingerprint)?.name ?? "unknown";
        return challenge(tx, scope, { device, claim: judged, maker, pcrs, now });
      });
      if (!("is" in begun)) return begun;
      deps.log.warn("attestation.refused", { device, check: begun.check });
      await enforce(deps, scope, { device, because: begun.detail });
      throw enrollmentProblems.attestation_refused(`${device}: ${begun.detail}`, { field: begun.check, fix: fixes[begun.check] });
    },

    async answer(who, { id, evidence }) {
      const { device, scope, model } = await identifyDevice(deps, who);
      const now = clock.now();
      const answered = await db.transaction().execute(async (tx) => {
        await lockSerial(tx, scope, device);
        const open = await lockChallenge(tx, scope, { id, device, now });
        if (open === undefined)
          throw enrollmentProblems.attestation_unknown(`There is no open attestation ${id} of ${device}.`, {
            fix: `Begin another one: a challenge is good once, for ${challengeFor / minutes(1)} minutes.`,
          });
        const references = referencesFor(await loadReferences(tx, scope), model);
        const before = await findCounters(tx, open.ekFingerprint);
        const result = judgeAnswer({ open, evidence, references, before, now });
        const action = calledForAction(result) ? (deps.onAttestationFailure === "quarantine" ? "quarantined" : "noted") : undefined;
        await writeAnswer(tx, scope, { ...result, action });
        await deps.registry.setTrustLevel(tx, scope, device, trustLevel(await readTrustEvidence(tx, scope, device)));
        return result;
      });
      deps.log.info("attestation.answered", { device, verdict: answered.verdict, software: answered.software });
      if (calledForAction(answered)) await enforce(deps, scope, { device, because: answered.because });
      const { verdict, because, software } = answered;
      return { attestation: id, verdict, because, software };
    },
  };
}

async function judgeAgainstPast(
  tx: Transaction,
  scope: Scope,
  { device, claim }: { device: string; claim: PlausibleClaim },
): Promise<TpmFault | undefined> {
  const past = await findTpmPast(tx, scope, { device, ekFingerprint: ekFingerprintOf(claim.ek) });
  return judgeBinding(claim, { device, past });
}

type Challenged = { device: string; claim: PlausibleClaim; maker: string; pcrs: readonly number[]; now: number };

/** The challenge is stored before it is sent; of the secret only the hash. */
async function challenge(
  tx: Transaction,
  scope: Scope,
  { device, claim, maker, pcrs, now }: Challenged,
): Promise<AttestationChallenge> {
  const [secret, nonce] = [randomBytes(32), randomBytes(32)];
  const sealed = makeCredential(claim.ek, { akName: claim.ak.name, secret, entropy: randomBytes });
  const one: Challenge = {
    id: newId("att", now),
    device,
    ekFingerprint: ekFingerprintOf(claim.ek),
    keyFingerprint: spkiFingerprint(claim.key.publicKey.der),
    maker,
    ak: claim.ak.bytes,
    deviceKey: claim.key.bytes,
    secretHash: hashOfSecret(secret),
    nonce,
    pcrs,
    at: now,
    expiresAt: now + challengeFor,
  };
  await insertChallenge(tx, scope, one);
  return {
    attestation: one.id,
    credentialBlob: sealed.credentialBlob.toString("base64"),
    encryptedSecret: sealed.encryptedSecret.toString("base64"),
    nonce: nonce.toString("base64"),
    pcrs: [...pcrs],
    expiresAt: new Date(one.expiresAt).toISOString(),
  };
}

type Judging = {
  open: Challenge;
  evidence: AttestationEvidence;
  references: readonly Reference[];
  before: Awaited<ReturnType<typeof findCounters>>;
  now: number;
};

function judgeAnswer({ open, evidence, references, before, now }: Judging): Omit<Answered, "action"> {
  const pcrs = new Map(Object.entries(evidence.pcrs).map(([pcr, value]) => [Number(pcr), Buffer.from(value, "hex")]));
  const proven = judgeEvidence(
    { secret: bytes(evidence.secret), certify: signedOf(evidence.certify), quote: signedOf(evidence.quote), pcrs },
    {
      ak: readTpmPublic(open.ak),
      key: readTpmPublic(open.deviceKey),
      secretHash: open.secretHash,
      nonce: open.nonce,
      pcrs: open.pcrs,
      before,
    },
  );
  const told = { id: open.id, at: now, pcrs: evidence.pcrs };
  if (proven.is === "fault")
    return {
      ...told,
      verdict: "failed",
      check: proven.check,
      because: proven.detail,
      software: "unjudged",
      reference: undefined,
      counters: undefined,
    };
  // One that was kept since the challenge may look at what was not asked for.
  const usable = references.filter((reference) => Object.keys(reference.pcrs).every((pcr) => pcrs.has(Number(pcr))));
  const matched = matchReference(pcrs, usable);
  const software = usable.length === 0 ? "unjudged" : matched === undefined ? "differs" : "matches";
  return {
    ...told,
    verdict: "passed",
    check: undefined,
    because: sentenceOf(software, matched?.label),
    software,
    reference: matched?.id,
    counters: proven.counters,
  };
}

/** Recorded already; now the device is taken out of service where the policy says so. */
async function enforce(
  { registry, onAttestationFailure }: AttestDeps,
  scope: Scope,
  { device, because }: { device: string; because: string },
): Promise<void> {
  if ((onAttestationFailure satisfies AttestationFailurePolicy) !== "quarantine") return;
  const found = await registry.find(device);
  const mayBe: readonly Lifecycle[] = ["active", "suspended"];
  if (found === undefined || !mayBe.includes(found.lifecycle)) return;
  await registry.setLifecycle(scope, device, {
    to: "quarantined",
    reason: `Attestation: ${because}`.slice(0, 500),
    actor: attester,
  });
}

const bytes = (text: string): Buffer => Buffer.from(text, "base64");
const signedOf = ({ attest, signature }: { attest: string; signature: string }) => ({
  attest: bytes(attest),
  signature: bytes(signature),
});
const bytesOf = ({ ek, ekCertificates, ak, key }: AttestationClaim) => ({
  ek: bytes(ek),
  ekCertificates: ekCertificates.map(bytes),
  ak: bytes(ak),
  key: bytes(key),
});

const fixes: Readonly<Record<TpmFault["check"], string>> = {
  endorsement_key: "Use the key that the TPM's maker certified; see who else has it: tenfold attest log.",
  endorsement_certificate: "Believe the maker of this TPM: tenfold attest maker CA.pem.",
  attestation_key: "Make it as a restricted signing key with fixedTPM, fixedParent and sensitiveDataOrigin.",
  device_key: "Make the device's key in the TPM, as a signing key with fixedTPM, fixedParent and sensitiveDataOrigin.",
  credential: "Activate the credential with the attestation key that was claimed.",
  certification: "Certify the device's key with the attestation key and this challenge.",
  quote: "Quote the PCRs that were asked for with the attestation key and this challenge.",
  counters: "Find the copy of this TPM; after a repair: tenfold attest forget DEVICE.",
};
