import { defineProblems } from "@tenfold/base";

/** What can be wrong with key material that somebody else sent, or with our own key files. */
export const pkiProblems = defineProblems({
  /** The bytes are not strict DER (X.690), or nest deeper or are longer than we read. */
  der_malformed: 400,
  /** There is no PEM block of the wanted kind, or its base64 is broken. */
  pem_malformed: 400,
  /** Not a PKCS#10 certificate request (RFC 2986). */
  csr_malformed: 400,
  /** The request's own signature does not verify: the sender does not hold the key. */
  csr_proof_failed: 400,
  /** Not an X.509 certificate (RFC 5280). */
  certificate_malformed: 400,
  /** An algorithm, a curve or a key size below our floor. */
  algorithm_refused: 400,
  /** Not a certs-only PKCS#7 message (RFC 5652). */
  pkcs7_malformed: 400,
  /** Not a CMS SignedData (RFC 5652) in a form that we verify. */
  cms_malformed: 400,
  /** Not an OCSP request (RFC 6960), or one that asks too much at once. */
  ocsp_malformed: 400,
  /** A key file is missing, readable by others, or not a key. */
  key_file_unusable: 500,
  /** A `pkcs11:` or `tpm:` URI that cannot be read, or asks for what is not offered. */
  key_uri_invalid: 422,
  /** The token, the TPM or the helper before it gives no answer. */
  key_store_unreachable: 503,
  /** The token or the TPM said no: a wrong PIN, no room, another TPM's key. */
  key_store_refused: 500,
  /** The name or the handle stands for no key. */
  key_missing: 500,
  /** Keys are never written over. */
  key_exists: 409,
  /** Not a structure of the TPM 2.0 Library Specification, or of a kind that is not used here. */
  tpm_malformed: 400,
});
