import assert from "node:assert/strict";
import { test } from "node:test";
import { readCertificate } from "./certificate.ts";
import { readCsr } from "./csr.ts";
import * as der from "./der-write.ts";
import { readOcspRequest } from "./ocsp.ts";
import { certsOnly, readCertsOnly } from "./pkcs7.ts";
import { TpmReader } from "./tpm/wire.ts";

test("what is DER but not the thing that was expected is refused by the thing's own code, and what is no DER as that", () => {
  const many = [1, 2, 3, 4, 5].map(() => der.sequence());
  assert.throws(() => readCsr(der.sequence(...many)), { code: "csr_malformed" });
  assert.throws(() => readCertificate(der.sequence(...many)), { code: "certificate_malformed" });
  assert.throws(() => readOcspRequest(der.sequence(der.sequence(der.sequence()))), { code: "ocsp_malformed" });
  const data = "1.2.840.113549.1.7.1";
  assert.throws(() => readCertsOnly(der.sequence(der.oid(data), der.context(0))), { code: "pkcs7_malformed" });
  assert.throws(() => readCertsOnly(certsOnly([]).subarray(1)), { code: "der_malformed" });
});

test("a structure of a TPM that ends too soon is refused", () => {
  assert.throws(() => new TpmReader(Buffer.from([0, 9, 1])).sized(64), { code: "tpm_malformed" });
});
