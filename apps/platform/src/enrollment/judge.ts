import type { Lifecycle } from "@tenfold/contracts";
import { type Certificate, type CertificateRequest, sameName } from "@tenfold/pki";
import { type Refused, refuse } from "./attempt.ts";
import { type Demand, judgeDemand, type KeyAttestation } from "./attestation.ts";
import type { Credential } from "./identify.ts";
import { type CertificateFacts, judgeCertificate } from "./lifecycle.ts";
import { type Announced, judgeAnnounced } from "./manifest.ts";
import { isUsableSerial, serialOf } from "./names.ts";
import { type TrustEvidence, trustLevel } from "./trust-level.ts";

/** Everything that the decision about one enrollment looks at. Read in one transaction, under the lock of the serial number. */
export type EnrollmentPicture = {
  readonly request: CertificateRequest;
  readonly credential: Exclude<Credential, { is: "code" }> | { readonly is: "code"; readonly serial: string };
  readonly serial: string;
  readonly now: number;
  /** The registry's device of that name, if there is one. */
  readonly device: { readonly lifecycle: Lifecycle } | undefined;
  /** What the manifests say of the serial number; undefined where it stands in none. */
  readonly announced: Announced | undefined;
  readonly approval: "waiting" | "approved" | "rejected" | undefined;
  /** The manufacturer (anchor's fingerprint) from which this serial number enrolled before, or who signed its manifest. */
  readonly boundTo: string | undefined;
  /** Another device that has or had a certificate for the key in the request. */
  readonly keyHolder: string | undefined;
  /** For a renewal: what we know of the certificate that was shown. */
  readonly renewed: (CertificateFacts & { readonly generation: number }) | undefined;
  /** The newest generation of the device's certificates. */
  readonly newestGeneration: number;
  /** How long after its end a certificate still renews, in milliseconds. */
  readonly grace: number;
  /** What the manufacturer's devices must show of a TPM. */
  readonly demand: Demand;
  /** What a TPM said of the key in the request, lately; undefined when none vouched for it. */
  readonly attested: KeyAttestation | undefined;
};

export type Decision = { readonly is: "issue"; readonly trustLevel: number } | { readonly is: "wait" } | Refused;

/** The serial number that a credential speaks for, or why it cannot be a device's id. */
export function serialFor(credential: Credential): string | Refused {
  const serial = credential.is === "code" ? credential.serial : serialOf(credential.certificate);
  if (serial === undefined || serial === "") {
    return refuse({
      step: "serial",
      because: "serial_missing",
      reason: "The certificate names no serial number.",
      fix: "An IDevID carries serialNumber (2.5.4.5) in its subject, or the serial number as CN.",
      status: 403,
    });
  }
  if (isUsableSerial(serial)) return serial;
  return refuse({
    step: "serial",
    because: "serial_unusable",
    reason: `The serial number ${JSON.stringify(serial.slice(0, 100))} cannot be a device's id.`,
    fix: "Use 1 to 64 letters, digits and . _ : - that begin with a letter or a digit.",
    status: 403,
  });
}

/** Whether this device gets a certificate now, waits for a person, or is refused. Pure. */
export function judgeEnrollment(picture: EnrollmentPicture): Decision {
  const decision = judgeDevice(picture) ?? judgeKey(picture) ?? judgeCredential(picture);
  // Last, so that a device which gets no certificate in any case is not sent to its TPM.
  return decision.is === "issue" ? (judgeDemand(picture) ?? decision) : decision;
}

/** A person took the device out of service: no credential brings it back. */
export function judgeDevice({ device, serial }: Pick<EnrollmentPicture, "device" | "serial">): Refused | undefined {
  switch (device?.lifecycle) {
    case "suspended":
      return refuse({
        step: "device",
        because: "device_suspended",
        reason: `Device ${serial} is suspended.`,
        fix: `Resume it: \`tenfold device resume ${serial}\`.`,
        status: 403,
      });
    case "quarantined":
      return refuse({
        step: "device",
        because: "device_quarantined",
        reason: `Device ${serial} is quarantined.`,
        fix: `Find out why, then resume it: \`tenfold device resume ${serial}\`.`,
        status: 403,
      });
    case "retired":
      return refuse({
        step: "device",
        because: "device_retired",
        reason: `Device ${serial} is retired.`,
        fix: "A retired device does not come back; give the hardware a new serial number.",
        status: 403,
      });
    default:
      return undefined;
  }
}

/** [E15] One key, one device: two devices with one key are a clone or a bad random generator. */
function judgeKey({ keyHolder, serial }: EnrollmentPicture): Refused | undefined {
  if (keyHolder === undefined || keyHolder === serial) return undefined;
  return refuse({
    step: "key",
    because: "key_of_another_device",
    reason: `The key in the request belongs to device ${keyHolder}.`,
    fix: "Make a new key on this device; look for cloned images and weak random numbers.",
    status: 403,
  });
}

function judgeCredential(picture: EnrollmentPicture): Decision {
  const { credential } = picture;
  if (credential.is === "code") return { is: "issue", trustLevel: levelFor("person") };
  if (credential.is === "ldevid") return judgeRenewal(picture, credential.certificate);
  return judgeFirst(picture, credential);
}

const levelFor = (admittedBy: TrustEvidence["admittedBy"]) => trustLevel({ admittedBy, keyHeldIn: "software" }).level;

function judgeFirst(
  { serial, announced, approval, boundTo }: EnrollmentPicture,
  { anchor }: Extract<Credential, { is: "idevid" }>,
): Decision {
  if (boundTo !== undefined && boundTo !== anchor.certificate.fingerprint) {
    return refuse({
      step: "serial",
      because: "serial_of_another_manufacturer",
      reason: `Serial number ${serial} belongs to another manufacturer than "${anchor.name}": it enrolled under it, or stands in its signed manifest.`,
      fix: "Two manufacturers use one serial number; have one of them add a prefix.",
      status: 403,
    });
  }
  const word = judgeAnnounced(announced, anchor);
  if (word === "announced") return { is: "issue", trustLevel: levelFor("manifest") };
  if (approval === "approved") return { is: "issue", trustLevel: levelFor("person") };
  if (approval === "rejected") {
    return refuse({
      step: "approval",
      because: "approval_rejected",
      reason: `The enrollment of ${serial} was rejected.`,
      fix: "Import its serial number in a manifest if that was a mistake.",
      status: 403,
    });
  }
  if (anchor.unknownDevices === "approve") return { is: "wait" };
  if (word === "not_signed") {
    return refuse({
      step: "manifest",
      because: "manifest_not_signed",
      reason: `Serial number ${serial} stands in a manifest that "${anchor.name}" has not signed, and its manifests must be signed.`,
      fix: "Import the manufacturer's signed manifest: `tenfold enroll manifest FILE --signature FILE.p7s`.",
      status: 403,
    });
  }
  return refuse({
    step: "manifest",
    because: "device_not_expected",
    reason: `Serial number ${serial} stands in no manifest, and "${anchor.name}" lets no other device in.`,
    fix: "Import a manifest with it: `tenfold enroll manifest FILE`.",
    status: 403,
  });
}

function judgeRenewal(picture: EnrollmentPicture, certificate: Certificate): Decision {
  const { request, renewed, device, serial } = picture;
  const fork = judgeFork(picture);
  if (fork !== undefined) return fork;
  const fault = judgeCertificate(renewed, momentOf(picture));
  if (fault !== undefined) return refuse({ step: "client_certificate", ...fault, status: 403 });
  if (device === undefined)
    return refuse({
      step: "device",
      because: "device_unknown",
      reason: `Device ${serial} is not registered.`,
      fix: "Enroll it again with its IDevID or a one-time code.",
      status: 403,
    });
  // [RFC 7030 4.2.2] The request repeats the names of the certificate. An absent subjectAltName is let pass: we set it ourselves.
  const wished = request.alternativeNames.map(({ kind, value }) => `${kind}:${value}`).sort();
  const present = certificate.alternativeNames.map(({ kind, value }) => `${kind}:${value}`).sort();
  const sameAlternatives = wished.length === 0 || wished.join(" ") === present.join(" ");
  if (sameName(request.subject, certificate.subject) && sameAlternatives) return { is: "issue", trustLevel: -1 };
  return refuse({
    step: "subject",
    because: "subject_differs",
    reason: `The request names another subject than the certificate of ${serial}.`,
    fix: `Ask for the subject "CN=${serial}" (and no other subjectAltName).`,
    status: 403,
  });
}

/**
 * A certificate whose successor was used is renewed again, for another key: its holder does not know of the successor, so there are two
 * holders. The same request again was answered before, and a successor that was never used supersedes nothing.
 */
function judgeFork({ renewed, serial }: EnrollmentPicture): Refused | undefined {
  if (renewed?.state !== "superseded") return undefined;
  return refuse({
    step: "client_certificate",
    because: "generation_forked",
    reason: `Generation ${renewed.generation} of ${serial} was replaced by one that was used, and is renewed again: the identity is in two places.`,
    fix: "Find both devices. Give each its own identity, or erase the copy, then resume the device.",
    status: 403,
  });
}

/**
 * When to judge the certificate that is renewed: now, or at its end for a device that slept past it within the grace. Only the newest
 * generation recovers, so that one certificate recovers once and a copy with an older one does not.
 */
function momentOf({ renewed, now, newestGeneration, grace }: EnrollmentPicture): number {
  if (renewed === undefined || now <= renewed.notAfter || now > renewed.notAfter + grace) return now;
  return renewed.generation === newestGeneration ? renewed.notAfter : now;
}
