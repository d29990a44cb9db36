import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { issuerOf } from "./authority.ts";
import { readCertificate } from "./certificate.ts";
import { validateChain } from "./chain.ts";
import { issueCrl } from "./crl.ts";
import { createCsr, readCsr } from "./csr.ts";
import { makeDeviceIdentity, makeManufacturer, newDeviceKey } from "./idevid.ts";
import { oids } from "./oids.ts";
import { fromPem, type PemLabel, toPem } from "./pem.ts";
import { certsOnly } from "./pkcs7.ts";
import { authorityForTest, certificateBelow, now } from "./testing.ts";

const skip =
  spawnSync("openssl", ["version"]).status === 0 ? false : "openssl is not on PATH; install it to have our output cross-checked";
const epoch = String(now / 1_000);

function workshop() {
  const folder = mkdtempSync(join(tmpdir(), "tenfold-test-openssl-"));
  return {
    put: (name: string, label: PemLabel, der: Uint8Array) => writeFileSync(join(folder, name), toPem(label, der)),
    putRaw: (name: string, bytes: string | Uint8Array) => writeFileSync(join(folder, name), bytes),
    read: (name: string) => readFileSync(join(folder, name), "utf8"),
    openssl(...args: string[]) {
      const { status, stdout, stderr } = spawnSync("openssl", args, { cwd: folder, encoding: "utf8", timeout: 20_000 });
      return { ok: status === 0, output: stdout + stderr };
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

test("OpenSSL accepts our certificates, requests, lists and PKCS#7 with its strictest checks", { skip }, async () => {
  using shop = workshop();
  const { root, issuing } = await authorityForTest();
  const leaf = await certificateBelow(issuing, "pump-1", {
    alternativeNames: [{ kind: "uri", value: "urn:tenfold:main:device:pump-1" }],
    crlUri: "https://localhost/x.crl",
  });
  const manufacturer = await makeManufacturer({ now: now - 1_000 });
  const idevid = await makeDeviceIdentity({ manufacturer, serial: "SN-1", model: "p100", notBefore: now - 1_000 });
  const crl = await issueCrl({
    issuer: issuerOf(issuing),
    number: 7,
    thisUpdate: now - 1_000,
    nextUpdate: now + 86_400_000,
    revoked: [{ serialNumber: leaf.serialNumber, at: now - 1_000, reason: "keyCompromise" }],
  });
  shop.put("root.pem", "CERTIFICATE", root.certificate.der);
  shop.put("issuing.pem", "CERTIFICATE", issuing.certificate.der);
  shop.put("leaf.pem", "CERTIFICATE", leaf.der);
  shop.put("maker.pem", "CERTIFICATE", manufacturer.certificate.der);
  shop.put("idevid.pem", "CERTIFICATE", idevid.certificate.der);
  shop.put("crl.pem", "X509 CRL", crl);
  shop.put(
    "csr.pem",
    "CERTIFICATE REQUEST",
    await createCsr({ key: newDeviceKey(), subject: [{ type: oids.commonName, value: "x" }] }),
  );
  shop.putRaw("certs.p7", certsOnly([issuing.certificate.der, root.certificate.der]));
  const verify = ["verify", "-x509_strict", "-attime", epoch];
  const good = [
    shop.openssl(...verify, "-purpose", "sslclient", "-CAfile", "root.pem", "-untrusted", "issuing.pem", "leaf.pem"),
    shop.openssl(...verify, "-CAfile", "maker.pem", "idevid.pem"),
    shop.openssl("crl", "-in", "crl.pem", "-CAfile", "issuing.pem", "-noout"),
    shop.openssl("req", "-in", "csr.pem", "-verify", "-noout"),
    shop.openssl("pkcs7", "-inform", "DER", "-in", "certs.p7", "-print_certs", "-noout"),
  ];
  for (const { ok, output } of good) assert.ok(ok, output);
  const revoked = shop.openssl(
    ...verify,
    "-crl_check",
    "-CRLfile",
    "crl.pem",
    "-CAfile",
    "root.pem",
    "-untrusted",
    "issuing.pem",
    "leaf.pem",
  );
  assert.match(revoked.output, /revoked/);
});

test("we read OpenSSL's requests and believe its chains", { skip }, () => {
  using shop = workshop();
  const made = [
    shop.openssl(
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
      "-subj",
      "/O=Acme/CN=Acme CA",
      "-days",
      "30",
    ),
    shop.openssl(
      "req",
      "-new",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      "d.key",
      "-out",
      "d.csr",
      "-subj",
      "/serialNumber=SN-9",
      "-addext",
      "subjectAltName=DNS:d9.example,IP:::1",
    ),
    shop.openssl(
      "x509",
      "-req",
      "-in",
      "d.csr",
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-out",
      "d.pem",
      "-days",
      "10",
    ),
  ];
  for (const { ok, output } of made) assert.ok(ok, output);
  const csr = readCsr(fromPem("CERTIFICATE REQUEST", shop.read("d.csr"))[0] ?? Buffer.alloc(0));
  assert.deepEqual(csr.alternativeNames, [
    { kind: "dns", value: "d9.example" },
    { kind: "ip", value: "0:0:0:0:0:0:0:1" },
  ]);
  const [leaf, anchor] = ["d.pem", "ca.pem"].map((name) =>
    readCertificate(fromPem("CERTIFICATE", shop.read(name))[0] ?? Buffer.alloc(0)),
  );
  assert.ok(leaf && anchor);
  assert.equal(validateChain({ leaf, intermediates: [], anchors: [anchor], at: Date.now() + 5_000, usage: "device" }).is, "valid");
});
