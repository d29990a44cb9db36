import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { defaultScope } from "@tenfold/base";
import { createAuthority, readCertificate, toPem } from "@tenfold/pki";
import { makeSoftToken, withoutSoftHsm } from "@tenfold/testkit";
import { asClient, enrolled, enrollmentWorld, operator, start, trustedFactory, type World } from "./testing.ts";

const skip =
  spawnSync("openssl", ["version"]).status === 0 ? false : "openssl is not on PATH; install it to have OCSP cross-checked";

/** `openssl ocsp` as the client, our endpoint between its request and its judgement. */
function opensslClient(w: World) {
  const folder = mkdtempSync(join(tmpdir(), "tenfold-test-ocsp-"));
  const at = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => {
    const { stdout, stderr } = spawnSync("openssl", ["ocsp", ...args], { encoding: "utf8", timeout: 20_000 });
    return stdout + stderr;
  };
  writeFileSync(at("root.pem"), w.enrollment.trustedCaPem);
  return {
    at,
    async ask(digest: "-sha1" | "-sha256", serial: string, method: "GET" | "POST") {
      const question = ["-issuer", join(w.dataDir, "pki", "issuing.pem"), digest, "-serial", `0x${serial}`];
      openssl(...question, "-reqout", at("request.der"));
      const body = readFileSync(at("request.der"));
      const answer = await (method === "POST"
        ? w.call("POST", "/ocsp", { body, headers: { "Content-Type": "application/ocsp-request" } })
        : w.call("GET", `/ocsp/${encodeURIComponent(body.toString("base64"))}`));
      assert.deepEqual([answer.status, answer.headers["content-type"]], [200, "application/ocsp-response"]);
      writeFileSync(at("response.der"), answer.body);
      const trust = ["-CAfile", at("root.pem"), "-verify_other", join(w.dataDir, "pki", "issuing.pem")];
      assert.match(
        openssl("-respin", at("response.der"), "-reqin", at("request.der"), ...trust),
        /Response verify OK/,
        "the nonce",
      );
      return openssl("-respin", at("response.der"), "-no_nonce", ...question, ...trust);
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

test("OpenSSL's OCSP client believes our answers: good, revoked and unknown, with SHA-1 and SHA-256, by POST and GET", {
  skip,
}, async () => {
  await using w = await enrollmentWorld();
  using client = opensslClient(w);
  const { device } = await trustedFactory(w);
  await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
  const { certificate } = await enrolled(w, "simpleenroll", { serial: "pump-1", client: asClient(await device("pump-1")) });
  assert.match(certificate.infoAccess ?? "", /OCSP - URI:https:\/\/localhost:8443\/ocsp/);
  for (const digest of ["-sha1", "-sha256"] as const) {
    const output = await client.ask(digest, certificate.serialNumber, "POST");
    assert.match(output, /Response verify OK/, output);
    assert.match(output, /: good/, output);
  }
  assert.match(await client.ask("-sha1", "0123456789", "GET"), /: unknown[\s\S]*Response verify OK/);
  await w.enrollment.revoke(defaultScope, { serialNumber: certificate.serialNumber, because: "lost", actor: operator });
  assert.match(await client.ask("-sha256", certificate.serialNumber, "GET"), /: revoked[\s\S]*Response verify OK/);
});

test("with the CA's key in a PKCS#11 token, OpenSSL believes the answers and the revocation list that the token signed", {
  skip: skip || withoutSoftHsm(),
}, async () => {
  await using token = await makeSoftToken("ocsp");
  await using w = await enrollmentWorld({
    caKey: `pkcs11:token=${token.label}?module-path=${token.modulePath}`,
    caPin: "1234",
  });
  using client = opensslClient(w);
  const { device } = await trustedFactory(w);
  await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
  const { certificate } = await enrolled(w, "simpleenroll", { serial: "pump-1", client: asClient(await device("pump-1")) });
  assert.match(await client.ask("-sha256", certificate.serialNumber, "POST"), /: good[\s\S]*Response verify OK/);
  await w.enrollment.revoke(defaultScope, { serialNumber: certificate.serialNumber, because: "lost", actor: operator });
  assert.match(await client.ask("-sha256", certificate.serialNumber, "POST"), /: revoked[\s\S]*Response verify OK/);
  const issuing = join(w.dataDir, "pki", "issuing.pem");
  const { subjectKeyId } = readCertificate(new X509Certificate(readFileSync(issuing)).raw);
  writeFileSync(client.at("list.crl"), (await w.call("GET", `/crl/${subjectKeyId?.toString("hex")}.crl`)).body);
  const list = ["crl", "-inform", "DER", "-in", client.at("list.crl"), "-CAfile", issuing, "-noout", "-text"];
  const { stdout, stderr } = spawnSync("openssl", list, { encoding: "utf8", timeout: 20_000 });
  assert.match(stderr, /verify OK/);
  assert.match(stdout, new RegExp(`Serial Number: ${certificate.serialNumber}`));
});

test("what is no OCSP request, or asks about another authority, gets the protocol's own error", { skip }, async () => {
  await using w = await enrollmentWorld();
  using client = opensslClient(w);
  const post = async (body: Buffer) =>
    (await w.call("POST", "/ocsp", { body, headers: { "Content-Type": "application/ocsp-request" } })).body.toString("hex");
  assert.equal(await post(Buffer.from("nonsense")), "30030a0101");
  assert.equal(await post(Buffer.alloc(0)), "30030a0101");
  assert.equal((await w.call("GET", "/ocsp/AAAA")).body.toString("hex"), "30030a0101");
  writeFileSync(client.at("other.pem"), toPem("CERTIFICATE", (await createAuthority(start)).issuing.certificate.der));
  spawnSync("openssl", ["ocsp", "-issuer", client.at("other.pem"), "-serial", "1", "-reqout", client.at("other.der")]);
  assert.equal(await post(readFileSync(client.at("other.der"))), "30030a0106");
});
