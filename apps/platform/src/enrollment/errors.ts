import { defineProblems } from "@tenfold/base";

/** What the operator API answers about enrollment, and what stops the server at start. */
export const enrollmentProblems = defineProblems({
  trust_anchor_unknown: 404,
  /** The text is not one CA certificate that could sign device identities. */
  trust_anchor_unusable: 422,
  trust_anchor_exists: 409,
  manifest_key_unknown: 404,
  manifest_key_exists: 409,
  /** The text is not a public key that signs manifests. */
  manifest_key_unusable: 422,
  /** Every manufacturer must sign its manifests, and this one came without a signature. */
  manifest_unsigned: 422,
  /** No registered manifest key has signed this very document. */
  manifest_signature_invalid: 422,
  transfer_unknown: 404,
  /** Where the device is in its life, it cannot change hands or boards. */
  transfer_not_allowed: 409,
  /** Not signed by the key that was named, past its time, or unreadable. */
  voucher_invalid: 422,
  /** A voucher is taken in once. */
  voucher_spent: 409,
  pending_enrollment_unknown: 404,
  /** Somebody approved or rejected it before. */
  pending_enrollment_decided: 409,
  certificate_unknown: 404,
  device_unknown: 404,
  tpm_maker_unknown: 404,
  tpm_maker_exists: 409,
  /** The text is not one CA certificate. */
  tpm_maker_unusable: 422,
  attestation_reference_unknown: 404,
  /** The device did not quote the PCRs that are to be kept. */
  attestation_reference_unusable: 422,
  /** No such challenge that is open, or no attestation that passed. */
  attestation_unknown: 404,
  attestation_malformed: 422,
  attestation_not_authenticated: 401,
  /** The claim is not worth a challenge; `field` names the check. */
  attestation_refused: 403,
  attestation_too_often: 429,
  rotation_unknown: 404,
  /** Only one rotation of our authority at a time. */
  rotation_open: 409,
  rotation_ended: 409,
  /** New certificates come from the new authority: there is no way back. */
  rotation_not_abortable: 409,
  /** The old root must sign, and its key is not in `pki/`. */
  root_key_off_line: 409,
  /** The files of our own authority contradict each other, or one is missing. */
  authority_files_inconsistent: 500,
  /** The database is another authority's, or the keys live with another process. */
  authority_elsewhere: 409,
  /** The process that keeps the keys does not sign this. */
  authority_refused: 500,
  /** No process that keeps the keys answers. */
  authority_silent: 503,
});
