import { type Certificate, type ChainFault, type ChainVerdict, readCertificate, validateDerChain } from "@tenfold/pki";
import { type Refusal, type Refused, refuse } from "./attempt.ts";

/** What a device shows to prove who it is, as the connection gives it. */
export type Shown = {
  /** Certificates of the TLS peer, DER, the leaf first; empty when it sent none. */
  readonly chain: readonly Uint8Array[];
  /** HTTP Basic, if sent: the user is the serial number, the password a one-time code. */
  readonly basic: { readonly user: string; readonly password: string } | undefined;
};

export type TrustedAnchor = {
  readonly id: string;
  readonly fleet: string;
  readonly name: string;
  readonly unknownDevices: "approve" | "refuse";
  readonly manifests: "any" | "signed";
  readonly certificate: Certificate;
};

/** Whom we believe: our own authority for renewals, manufacturers for first enrollments. */
export type Trust = {
  readonly roots: readonly Certificate[];
  readonly issuing: readonly Certificate[];
  readonly anchors: readonly TrustedAnchor[];
  readonly at: number;
};

export type Credential =
  | { readonly is: "idevid"; readonly certificate: Certificate; readonly anchor: TrustedAnchor }
  | { readonly is: "ldevid"; readonly certificate: Certificate }
  | { readonly is: "code"; readonly serial: string; readonly code: string };

/** Finds the credential that counts: a certificate that is believed goes before a one-time code, and a code before a certificate that is not. */
export function identify({ chain, basic }: Shown, trust: Trust): Credential | Refused {
  const byCertificate = chain.length === 0 ? undefined : identifyCertificate(chain, trust);
  if (byCertificate !== undefined && byCertificate.is !== "refused") return byCertificate;
  if (basic !== undefined) return { is: "code", serial: basic.user, code: basic.password };
  return byCertificate ?? notAuthenticated;
}

const notAuthenticated = refuse({
  step: "client_certificate",
  because: "not_authenticated",
  reason: "The device showed neither a client certificate nor a one-time code.",
  fix: "Connect with the manufacturer's certificate (IDevID), or send a one-time code as HTTP Basic: user = serial number, password = code.",
  status: 401,
});

function identifyCertificate(chain: readonly Uint8Array[], { roots, issuing, anchors, at }: Trust): Credential | Refused {
  const own = validateOwn(chain.slice(0, 1), { roots, issuing, anchors, at });
  if (own.is === "valid") return { is: "ldevid", certificate: own.chain[0] ?? own.anchor };
  if (own.because !== "issuer_unknown") return refuseChain(own.because, own.detail);
  const verdict = validateDerChain({ chain, anchors: anchors.map((anchor) => anchor.certificate), at, usage: "device" });
  if (verdict.is === "invalid") return refuseChain(verdict.because, verdict.detail);
  const anchor = anchors.find((one) => one.certificate.fingerprint === verdict.anchor.fingerprint);
  // A valid chain ends at one of the anchors that were given, and begins with the leaf.
  return anchor === undefined ? notAuthenticated : { is: "idevid", certificate: verdict.chain[0] ?? verdict.anchor, anchor };
}

/** A certificate of ours whose only fault is its end is believed as of that end: `judge` decides whether it still renews. */
function validateOwn(chain: readonly Uint8Array[], { roots, issuing, at }: Trust): ChainVerdict {
  const ask = (moment: number) => validateDerChain({ chain, intermediates: issuing, anchors: roots, at: moment, usage: "device" });
  const verdict = ask(at);
  if (verdict.is === "valid" || verdict.because !== "expired" || chain[0] === undefined) return verdict;
  const asOfItsEnd = ask(Math.min(at, readCertificate(chain[0]).notAfter));
  return asOfItsEnd.is === "valid" ? asOfItsEnd : verdict;
}

const faults: Partial<Record<ChainFault, { because: Refusal; fix: string }>> = {
  issuer_unknown: {
    because: "issuer_unknown",
    fix: "Register the manufacturer's CA: `tenfold enroll anchor CA.pem`; the device must send its intermediate certificates.",
  },
  expired: {
    because: "certificate_expired",
    fix: "Renew before the end; a device whose certificate has expired enrolls again with its IDevID or a one-time code.",
  },
  not_yet_valid: { because: "certificate_not_yet_valid", fix: "Check the clock of the server, and the certificate's notBefore." },
  certificate_malformed: {
    because: "certificate_malformed",
    fix: "Have the device send an X.509 version 3 certificate in strict DER.",
  },
};

function refuseChain(fault: ChainFault, detail: string): Refused {
  const { because, fix } = faults[fault] ?? {
    because: "chain_invalid" as const,
    fix: "Have the manufacturer correct the certificate that is named.",
  };
  return refuse({ step: "client_certificate", because, reason: detail, fix, status: 403 });
}
