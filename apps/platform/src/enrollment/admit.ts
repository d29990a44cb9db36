import type { Lifecycle } from "@tenfold/contracts";
import type { ChainFault, ChainVerdict } from "@tenfold/pki";
import { type CertificateFacts, judgeCertificate } from "./lifecycle.ts";

/** Why a connection is refused. Closed; docs/protocol/enrollment.md lists each with its fix. */
export type AdmitRefusal =
  | "unknown_issuer"
  | "not_enrolled"
  | "certificate_malformed"
  | "certificate_invalid"
  | "certificate_unknown"
  | "certificate_expired"
  | "certificate_not_yet_valid"
  | "certificate_revoked"
  | "certificate_superseded"
  | "device_unknown"
  | "device_not_active"
  | "device_suspended"
  | "device_quarantined"
  | "device_retired";

export type AdmitFault = { readonly because: AdmitRefusal; readonly reason: string; readonly fix: string };

export type AdmitPicture = {
  readonly now: number;
  /** Our own judgement of the certificate's chain to our root. */
  readonly chain: ChainVerdict;
  /** Whether it is a manufacturer's certificate that could enroll. */
  readonly couldEnroll: boolean;
  readonly certificate: CertificateFacts | undefined;
  readonly device: { readonly id: string; readonly lifecycle: Lifecycle } | undefined;
};

/** Whether a certificate lets its device connect; undefined when it does. Pure. */
export function judgeConnection({ now, chain, couldEnroll, certificate, device }: AdmitPicture): AdmitFault | undefined {
  if (couldEnroll)
    return {
      because: "not_enrolled",
      reason: "This is a manufacturer's certificate (IDevID); it serves only to enroll.",
      fix: "Enroll at /.well-known/est/simpleenroll and connect with the certificate that comes back.",
    };
  // A certificate of ours that is known is judged by its record first: "revoked" says more than "expired".
  const fault = certificate === undefined ? undefined : judgeCertificate(certificate, now);
  if (fault !== undefined) return { ...fault, because: admitCode(fault.because) };
  if (chain.is === "invalid") return chainFault(chain.because, chain.detail);
  const unknown = judgeCertificate(certificate, now);
  if (unknown !== undefined) return { ...unknown, because: admitCode(unknown.because) };
  return judgeLifecycle(device);
}

function admitCode(code: string): AdmitRefusal {
  switch (code) {
    case "certificate_expired":
    case "certificate_not_yet_valid":
    case "certificate_revoked":
    case "certificate_superseded":
    case "certificate_unknown":
      return code;
    default:
      return "certificate_invalid";
  }
}

function chainFault(fault: ChainFault, detail: string): AdmitFault {
  switch (fault) {
    case "issuer_unknown":
      return {
        because: "unknown_issuer",
        reason: detail,
        fix: "Enroll the device; only certificates that this server issued may connect.",
      };
    case "expired":
      return { because: "certificate_expired", reason: detail, fix: "Enroll again with the IDevID or a one-time code." };
    case "not_yet_valid":
      return { because: "certificate_not_yet_valid", reason: detail, fix: "Check the server's clock." };
    case "certificate_malformed":
      return { because: "certificate_malformed", reason: detail, fix: "Connect with the certificate that enrollment gave." };
    default:
      return { because: "certificate_invalid", reason: detail, fix: "Connect with the certificate that enrollment gave." };
  }
}

function judgeLifecycle(device: AdmitPicture["device"]): AdmitFault | undefined {
  if (device === undefined)
    return { because: "device_unknown", reason: "The certificate's device is not registered.", fix: "Enroll it again." };
  const { id, lifecycle } = device;
  switch (lifecycle) {
    case "active":
      return undefined;
    case "suspended":
      return {
        because: "device_suspended",
        reason: `Device ${id} is suspended.`,
        fix: `Resume it: \`tenfold device resume ${id}\`.`,
      };
    case "quarantined":
      return {
        because: "device_quarantined",
        reason: `Device ${id} is quarantined.`,
        fix: `Find out why, then resume it: \`tenfold device resume ${id}\`.`,
      };
    case "retired":
      return { because: "device_retired", reason: `Device ${id} is retired.`, fix: "A retired device does not come back." };
    case "expected":
    case "pending":
      return { because: "device_not_active", reason: `Device ${id} is ${lifecycle} and has not enrolled.`, fix: "Enroll it." };
  }
}
