import type { EnrollmentAttempt } from "@tenfold/contracts";

export type Operation = EnrollmentAttempt["operation"];
export type Method = EnrollmentAttempt["method"];

/** The checks of the flow, in their order. The attempt log names the one that decided. */
const steps = [
  "request",
  "client_certificate",
  "linking",
  "one_time_code",
  "serial",
  "device",
  "manifest",
  "approval",
  "attestation",
  "subject",
  "key",
  "issue",
  "connect",
] as const;
export type Step = (typeof steps)[number];

/** Why a device got no certificate. Closed; docs/protocol/enrollment.md lists each with its fix. */
export type Refusal =
  | "request_malformed"
  | "request_too_large"
  | "proof_of_possession_failed"
  | "algorithm_refused"
  | "rate_limited"
  | "not_authenticated"
  | "linking_missing"
  | "linking_unreadable"
  | "linking_differs"
  | "certificate_malformed"
  | "issuer_unknown"
  | "chain_invalid"
  | "certificate_expired"
  | "certificate_not_yet_valid"
  | "certificate_revoked"
  | "certificate_superseded"
  | "certificate_unknown"
  | "code_unknown"
  | "code_wrong"
  | "code_expired"
  | "code_spent"
  | "code_locked"
  | "serial_missing"
  | "serial_unusable"
  | "serial_of_another_manufacturer"
  | "device_not_expected"
  | "manifest_not_signed"
  | "approval_rejected"
  | "device_suspended"
  | "device_quarantined"
  | "device_retired"
  | "generation_forked"
  | "device_unknown"
  | "device_conflict"
  | "subject_differs"
  | "key_of_another_device"
  | "attestation_required"
  | "software_unknown";

/** A refusal as it is logged and answered. `status` is the HTTP status of EST [RFC 7030 4.2.3]. */
export type Refused = {
  readonly is: "refused";
  readonly step: Step;
  readonly because: Refusal;
  readonly reason: string;
  readonly fix: string;
  readonly status: 400 | 401 | 403 | 413 | 429;
  /** When another try makes sense, in milliseconds. */
  readonly retryAfter?: number;
};

export const refuse = (refusal: Omit<Refused, "is">): Refused => ({ is: "refused", ...refusal });
