import assert from "node:assert/strict";
import { test } from "node:test";
import { createAuthority, createRoot, crossCertify, newSigner, oids, toPem } from "@tenfold/pki";
import { takeTrust } from "./trust.ts";

const now = Date.UTC(2026, 9, 1);

async function rotation() {
  const { root: old } = await createAuthority(now - 1_000);
  const next = await createRoot({ signer: newSigner(), name: [{ type: oids.commonName, value: "Second" }], now: now - 1_000 });
  const pem = (...ders: Buffer[]) => ders.map((der) => toPem("CERTIFICATE", der)).join("");
  return { old, next, cross: await crossCertify(old, next, now - 1_000), pem };
}

test("a new root is taken when one that is believed has certified its key, and the old one is kept while it is offered", async () => {
  const { old, next, cross, pem } = await rotation();
  const both = takeTrust(pem(old.certificate.der), pem(old.certificate.der, next.certificate.der, cross.der), now);
  assert.deepEqual(both.roots, [old.certificate.fingerprint, next.certificate.fingerprint]);
  assert.deepEqual(takeTrust(both.ca, pem(next.certificate.der), now).roots, [next.certificate.fingerprint]);
});

test("a root that nobody believed has certified is not taken, and a device never ends without trust", async () => {
  const { old, next, pem } = await rotation();
  const stranger = await rotation();
  const known = pem(old.certificate.der);
  const expected = [old.certificate.fingerprint];
  assert.deepEqual(takeTrust(known, pem(old.certificate.der, next.certificate.der), now).roots, expected);
  assert.deepEqual(
    takeTrust(known, pem(stranger.old.certificate.der, stranger.next.certificate.der, stranger.cross.der), now).roots,
    expected,
  );
});

test("a cross certificate that has ended lets nobody in", async () => {
  const { old, next, cross, pem } = await rotation();
  const offered = pem(old.certificate.der, next.certificate.der, cross.der);
  assert.deepEqual(takeTrust(pem(old.certificate.der), offered, cross.notAfter + 1).roots, [old.certificate.fingerprint]);
});
