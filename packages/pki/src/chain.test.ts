import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Authority } from "./authority.ts";
import type { Certificate } from "./certificate.ts";
import { readCertificate } from "./certificate.ts";
import { type ChainQuestion, validateChain, validateDerChain } from "./chain.ts";
import { readDer } from "./der-read.ts";
import { bitString, boolean, octetString, oid, sequence } from "./der-write.ts";
import { writeAlgorithm } from "./keys.ts";
import { authorityBelow, authorityForTest, certificateBelow, now, year } from "./testing.ts";

const ask = (leaf: Certificate, more: Partial<ChainQuestion>) => {
  const verdict = validateChain({ leaf, intermediates: [], anchors: [], at: now, usage: "device", ...more });
  return verdict.is === "valid" ? "valid" : verdict.because;
};

test("a leaf leads over its intermediate to the root, in whatever order and company the certificates come", async () => {
  const { root, issuing } = await authorityForTest();
  const leaf = await certificateBelow(issuing, "pump-1");
  const other = await authorityForTest();
  const intermediates = [other.issuing.certificate, root.certificate, issuing.certificate];
  const verdict = validateChain({
    leaf,
    intermediates,
    anchors: [other.root.certificate, root.certificate],
    at: now,
    usage: "device",
  });
  assert.equal(verdict.is, "valid");
  assert.deepEqual(
    verdict.is === "valid" && verdict.chain.map(({ fingerprint }) => fingerprint),
    [leaf, issuing.certificate, root.certificate].map(({ fingerprint }) => fingerprint),
  );
  assert.equal(ask(leaf, { anchors: [issuing.certificate] }), "valid", "an issuing CA may be the anchor");
});

test("each rule has its own refusal, and the sentence names the certificate", async () => {
  const { root, issuing } = await authorityForTest();
  const chain = { intermediates: [issuing.certificate], anchors: [root.certificate] };
  const leaf = await certificateBelow(issuing, "pump-1");
  assert.equal(ask(leaf, { anchors: [root.certificate] }), "issuer_unknown");
  assert.equal(ask(leaf, { intermediates: [issuing.certificate] }), "issuer_unknown");
  assert.equal(ask(leaf, { ...chain, at: now + 2 * year }), "expired");
  assert.equal(ask(leaf, { ...chain, at: now - 10_000 }), "not_yet_valid");
  assert.equal(ask(leaf, { ...chain, usage: "server" }), "extended_key_usage_missing");
  assert.equal(ask(await certificateBelow(issuing, "s", { usage: "server" }), chain), "extended_key_usage_missing");
  assert.equal(ask(issuing.certificate, { anchors: [root.certificate] }), "leaf_is_a_ca");
  const verdict = validateChain({ leaf, ...chain, at: now + 2 * year, usage: "device" });
  assert.match(verdict.is === "invalid" ? verdict.detail : "", /"CN=pump-1".*expired on 2027-/);
});

test("an intermediate or an anchor that has expired ends the chain", async () => {
  const { root } = await authorityForTest();
  const brief = await authorityBelow(root, "brief", { notAfter: now + 1_000 });
  const leaf = await certificateBelow(brief, "pump-1");
  const verdict = validateChain({
    leaf,
    intermediates: [brief.certificate],
    anchors: [root.certificate],
    at: now + 2_000,
    usage: "device",
  });
  assert.deepEqual(verdict.is === "invalid" && [verdict.because, verdict.detail.includes("CN=brief")], ["expired", true]);
});

test("a device cannot issue certificates for others", async () => {
  const { root, issuing } = await authorityForTest();
  const device = await authorityBelow(issuing, "pump-1", { usage: "device" });
  const forged = await certificateBelow(device, "pump-2");
  assert.equal(ask(forged, { intermediates: [device.certificate, issuing.certificate], anchors: [root.certificate] }), "not_a_ca");
});

test("a path length of 0 allows no further authority, and a root without one any number up to the limit", async () => {
  const { root, issuing } = await authorityForTest();
  const below = await authorityBelow(issuing, "below");
  const leaf = await certificateBelow(below, "pump-1");
  assert.equal(
    ask(leaf, { intermediates: [below.certificate, issuing.certificate], anchors: [root.certificate] }),
    "path_length_exceeded",
  );
  const chain: Authority[] = [root];
  for (let i = 0; i < 9; i++) chain.push(await authorityBelow(chain[i] ?? root, `CA ${i}`));
  const lengthOf = async (n: number) =>
    ask(await certificateBelow(chain[n] ?? root, "deep"), {
      intermediates: chain.slice(1, n + 1).map(({ certificate }) => certificate),
      anchors: [root.certificate],
    });
  assert.equal(await lengthOf(6), "valid");
  assert.equal(await lengthOf(9), "chain_too_long");
});

test("a name can be stolen, a signature cannot", async () => {
  const [{ root, issuing }, thief] = [await authorityForTest(), await authorityForTest()];
  const forged = await certificateBelow(thief.issuing, "pump-1");
  assert.equal(ask(forged, { intermediates: [issuing.certificate], anchors: [root.certificate] }), "signature_invalid");
  assert.equal(ask(forged, { intermediates: [thief.issuing.certificate], anchors: [root.certificate] }), "signature_invalid");
});

test("authorities that sign each other in a circle, and floods of look-alikes, end the search", async () => {
  const { root } = await authorityForTest();
  const a = await authorityBelow(root, "A");
  const b = await authorityBelow(a, "B");
  const back = { signer: a.signer, certificate: await certificateBelow(b, "A", { publicKey: a.signer.publicKey, usage: "ca" }) };
  const leaf = await certificateBelow(b, "pump-1");
  assert.notEqual(ask(leaf, { intermediates: [back.certificate, b.certificate], anchors: [] }), "valid");
  const flood = await Promise.all(Array.from({ length: 40 }, () => authorityBelow(root, "B")));
  assert.notEqual(ask(leaf, { intermediates: flood.map(({ certificate }) => certificate), anchors: [root.certificate] }), "valid");
});

test("a critical extension that is not understood is refused, on a leaf and on the way", async () => {
  const { root, issuing } = await authorityForTest();
  const leaf = await withCriticalExtension(await certificateBelow(issuing, "pump-1"), issuing);
  assert.equal(ask(leaf, { intermediates: [issuing.certificate], anchors: [root.certificate] }), "critical_extension_unknown");
  const constrained = { signer: issuing.signer, certificate: await withCriticalExtension(issuing.certificate, root) };
  assert.equal(
    ask(await certificateBelow(constrained, "pump-2"), { intermediates: [constrained.certificate], anchors: [root.certificate] }),
    "critical_extension_unknown",
  );
});

/** The same certificate with critical name constraints added, signed again. */
async function withCriticalExtension(certificate: Certificate, issuer: Authority): Promise<Certificate> {
  const tbs = readDer(certificate.signed.bytes).children;
  const extension = sequence(oid("2.5.29.30"), boolean(true), octetString(sequence()));
  const extensions = tbs.at(-1)?.children[0]?.body ?? Buffer.alloc(0);
  const wrapped = sequence(extensions, extension);
  const again = sequence(...tbs.slice(0, -1).map(({ raw }) => raw), Buffer.concat([tagged(wrapped.length), wrapped]));
  return readCertificate(sequence(again, writeAlgorithm(issuer.signer.algorithm), bitString(await issuer.signer.sign(again))));
}

const tagged = (size: number): Buffer =>
  size < 128
    ? Buffer.from([0xa3, size])
    : size < 256
      ? Buffer.from([0xa3, 0x81, size])
      : Buffer.from([0xa3, 0x82, size >> 8, size & 255]);

test("one changed byte anywhere in a certificate makes its chain invalid, and never throws", async () => {
  const { root, issuing } = await authorityForTest();
  const leaf = await certificateBelow(issuing, "pump-1");
  fc.assert(
    fc.property(fc.nat(leaf.der.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bytes = Buffer.from(leaf.der);
      bytes[at] = (bytes[at] ?? 0) ^ flip;
      const verdict = validateDerChain({
        chain: [bytes, issuing.certificate.der],
        anchors: [root.certificate],
        at: now,
        usage: "device",
      });
      assert.equal(verdict.is, "invalid");
    }),
    { numRuns: 400, seed: 1 },
  );
});
