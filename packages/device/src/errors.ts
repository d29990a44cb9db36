import { defineProblems } from "@tenfold/base";

/** What stops a device's step. Each is tried again after a pause, except where the step's own text says otherwise. */
export const deviceProblems = defineProblems({
  link_unreachable: 503,
  link_refused: 403,
  link_lost: 503,
  publish_refused: 422,
  publish_unanswered: 503,
  enrollment_refused: 403,
  enrollment_pending: 503,
  enrollment_unreachable: 503,
  /** The platform does not take this TPM's word: the answer says why. */
  attestation_refused: 403,
  download_failed: 503,
  download_refused: 404,
  metadata_unreachable: 503,
  /** The platform was not reached, or asks to come later: a crash artifact stays where it is. */
  crash_not_taken: 503,
  /** The machine's installer says that the image was made for other hardware. */
  install_incompatible: 422,
  /** The machine's installer does not trust the image: no signature by a key that it knows, or bytes that do not fit it. */
  install_untrusted: 422,
  install_failed: 500,
  device_memory_unreadable: 500,
  device_trust_unreadable: 500,
});
