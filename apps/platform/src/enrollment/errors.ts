import { defineProblems } from "@tenfold/base";

/** What the operator API answers about enrollment, and what stops the server at start. */
export const enrollmentProblems = defineProblems({
  trust_anchor_unknown: 404,
  /** The text is not one CA certificate that could sign device identities. */
  trust_anchor_unusable: 422,
  trust_anchor_exists: 409,
  pending_enrollment_unknown: 404,
  /** Somebody approved or rejected it before. */
  pending_enrollment_decided: 409,
  certificate_unknown: 404,
  /** The files of our own authority contradict each other, or one is missing. */
  authority_files_inconsistent: 500,
});
