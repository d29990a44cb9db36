import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { defaultScope } from "@tenfold/base";
import { readCertificate, readCrl } from "@tenfold/pki";
import { makeSoftToken, type SoftToken, withoutSoftHsm } from "@tenfold/testkit";
import { openAuthority } from "./authority.shell.ts";
import { authorityKeys } from "./authority-keys.shell.ts";
import { asClient, enrolled, enrollmentWorld, operator, trustedFactory } from "./testing.ts";

suite("with the CA's keys in a PKCS#11 token (SoftHSM2)", { skip: withoutSoftHsm() }, () => {
  const placeOf = ({ label, modulePath }: SoftToken) => ({
    caKey: `pkcs11:token=${label}?module-path=${modulePath}`,
    caPin: "1234",
  });

  test("devices enroll and are revoked, and no private key of an authority is on the disk", async () => {
    await using token = await makeSoftToken("ca");
    await using w = await enrollmentWorld(placeOf(token));
    const { device } = await trustedFactory(w);
    await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
    const { certificate } = await enrolled(w, "simpleenroll", { serial: "pump-1", client: asClient(await device("pump-1")) });
    const issuing = new X509Certificate(await readFile(join(w.dataDir, "pki", "issuing.pem")));
    assert.ok(certificate.verify(issuing.publicKey));
    await w.enrollment.revoke(defaultScope, {
      serialNumber: certificate.serialNumber.toLowerCase(),
      because: "test",
      actor: operator,
    });
    const { subjectKeyId } = readCertificate(issuing.raw);
    const crl = await w.call("GET", `/crl/${subjectKeyId?.toString("hex")}.crl`);
    assert.equal(readCrl(crl.body).serialNumbers.size, 1);
    assert.deepEqual((await readdir(join(w.dataDir, "pki"))).sort(), [
      "ca.pem",
      "issuing.pem",
      "root.pem",
      "server.key",
      "server.pem",
    ]);
  });

  test("a rotation moves an installation from files into the token", async () => {
    await using token = await makeSoftToken("move");
    const folder = await mkdtemp(join(tmpdir(), "tenfold-test-ca-"));
    try {
      const before = await openAuthority({ folder, hostnames: [], now: Date.now() });
      await using keys = authorityKeys({ folder, place: token.uri });
      const after = await openAuthority({ folder, hostnames: [], now: Date.now(), keys });
      assert.equal(after.issuing.certificate.fingerprint, before.issuing.certificate.fingerprint);
      await keys.create("issuing-rot_1");
      assert.ok(await keys.open("issuing-rot_1"));
      assert.ok(!(await readdir(folder)).includes("issuing-rot_1.key"));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test("the next issuing CA of a rotation is made in the token, and issues", async () => {
    await using token = await makeSoftToken("rotate");
    await using w = await enrollmentWorld(placeOf(token));
    await w.enrollment.rotations.rotate({ kind: "issuing", share: 1, actor: operator });
    for (let i = 0; i < 5; i++) {
      w.pass(1_000);
      await w.enrollment.rotations.advance();
    }
    const [rotation] = await w.enrollment.rotations.list();
    assert.equal(rotation?.phase, "done");
    const { device } = await trustedFactory(w);
    await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
    const { certificate } = await enrolled(w, "simpleenroll", { serial: "pump-1", client: asClient(await device("pump-1")) });
    assert.match(certificate.issuer, new RegExp(`CN=Tenfold Issuing CA ${rotation?.id}`));
    assert.ok(!(await readdir(join(w.dataDir, "pki"))).some((name) => name.startsWith("issuing-")));
  });

  test("a wrong PIN stops the start and says so", async () => {
    await using token = await makeSoftToken("pin");
    await assert.rejects(enrollmentWorld({ ...placeOf(token), caPin: "9999" }), { code: "key_store_refused", message: /PIN/ });
  });
});
