import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { makeSoftwareTpm, type SoftwareTpm, withoutSoftwareTpm } from "@tenfold/testkit";
import { readCertificate } from "../certificate.ts";
import { openKeyStore } from "../key-uri.ts";
import { fromPem } from "../pem.ts";
import { createTpmAttestor, type TpmChallenge } from "./attestor.ts";
import { makeCredential } from "./credential.ts";
import { type Evidence, type Expected, judgeClaim, judgeEvidence, matchReference, type PlausibleClaim } from "./evidence.ts";

const pcrs = [0, 2, 4, 7];
/** The maker certifies during the test, and a file may be read long before its tests run. */
const soon = () => Date.now() + 600_000;

suite("a TPM (swtpm) attests", { skip: withoutSoftwareTpm() }, () => {
  let opened: Promise<{ tpm: SoftwareTpm; folder: string; keyUri: string }> | undefined;
  const world = () => {
    opened ??= open();
    return opened;
  };
  after(async () => {
    const w = await opened;
    await w?.tpm[Symbol.asyncDispose]();
    if (w) await rm(w.folder, { recursive: true, force: true });
  });

  async function open() {
    const tpm = await makeSoftwareTpm();
    const folder = await mkdtemp(join(tmpdir(), "tenfold-test-attest-"));
    await using store = openKeyStore(tpm.uri, { folder });
    await store.create("device");
    return { tpm, folder, keyUri: tpm.uri.replace("?", `file=${folder}/device.tpm.pem?`) };
  }

  const anchorsOf = (pem: string) => fromPem("CERTIFICATE", pem).map(readCertificate);

  /** A claim and its answered challenge, as platform and device exchange them. */
  async function attest(ek: "p384" | "rsa" = "p384") {
    const { tpm, keyUri } = await world();
    const attestor = createTpmAttestor(keyUri, { ek });
    const claim = await attestor.claim();
    const plausible = judgeClaim(claim, { anchors: anchorsOf(tpm.makerIssuing), at: soon() });
    assert.equal(plausible.is, "plausible", JSON.stringify(plausible));
    const proven = plausible as PlausibleClaim;
    const [secret, nonce] = [randomBytes(32), randomBytes(32)];
    const sealed = makeCredential(proven.ek, { akName: proven.ak.name, secret, entropy: randomBytes });
    const challenge: TpmChallenge = { ...sealed, nonce, pcrs };
    const evidence = await attestor.answer(challenge);
    const secretHash = createHash("sha256").update(secret).digest();
    const expected: Expected = { ak: proven.ak, key: proven.key, secretHash, nonce, pcrs, before: undefined };
    return { claim, plausible: proven, evidence, expected };
  }

  for (const ek of ["p384", "rsa"] as const)
    test(`with its ${ek} endorsement key: certificate, credential, certification and quote`, async () => {
      const { evidence, expected } = await attest(ek);
      const verdict = judgeEvidence(evidence, expected);
      assert.equal(verdict.is, "proven", verdict.is === "fault" ? verdict.detail : "");
    });

  test("only to a maker that is trusted, and only with the certificate of its own endorsement key", async () => {
    const { claim } = await attest();
    const { tpm } = await world();
    const none = judgeClaim(claim, { anchors: [], at: soon() });
    assert.deepEqual([none.is, none.is === "fault" && none.check], ["fault", "endorsement_certificate"]);
    const root = judgeClaim(claim, { anchors: anchorsOf(tpm.makerRoot), at: soon() });
    assert.equal(root.is, "fault", "the intermediate was not sent");
    const other = await attest("rsa");
    const mixed = judgeClaim(
      { ...claim, ekCertificates: other.claim.ekCertificates },
      { anchors: anchorsOf(tpm.makerIssuing), at: soon() },
    );
    assert.match(mixed.is === "fault" ? mixed.detail : "", /of another key/);
  });

  test("and a key that does something else than it should is refused before any challenge", async () => {
    const { claim } = await attest();
    const { tpm } = await world();
    const anchors = anchorsOf(tpm.makerIssuing);
    const faultOf = (wrong: Partial<typeof claim>) => {
      const verdict = judgeClaim({ ...claim, ...wrong }, { anchors, at: soon() });
      return verdict.is === "fault" ? verdict.check : "none";
    };
    assert.equal(faultOf({ ak: claim.key }), "attestation_key");
    assert.equal(faultOf({ key: claim.ak }), "device_key");
    assert.equal(faultOf({ ek: claim.key }), "endorsement_key");
    assert.equal(faultOf({ ak: claim.ak.subarray(0, -1) }), "attestation_key");
    assert.equal(faultOf({ key: Buffer.concat([claim.key, Buffer.from([0])]) }), "device_key");
  });

  test("and whatever is changed in its answer is found, by the check that it concerns", async () => {
    const { evidence, expected } = await attest();
    const faultOf = (wrong: Partial<Evidence>, other: Partial<Expected> = {}) => {
      const verdict = judgeEvidence({ ...evidence, ...wrong }, { ...expected, ...other });
      return verdict.is === "fault" ? verdict.check : "none";
    };
    const flipped = (bytes: Buffer, index = bytes.length - 1) => {
      const copy = Buffer.from(bytes);
      copy[index] = (copy[index] ?? 0) ^ 1;
      return copy;
    };
    assert.equal(faultOf({}), "none");
    assert.equal(faultOf({ secret: randomBytes(32) }), "credential");
    assert.equal(faultOf({}, { nonce: randomBytes(32) }), "certification");
    assert.equal(faultOf({ certify: evidence.quote }), "certification");
    assert.equal(faultOf({ certify: { ...evidence.certify, attest: flipped(evidence.certify.attest) } }), "certification");
    assert.equal(faultOf({}, { key: expected.ak }), "certification");
    assert.equal(faultOf({ quote: evidence.certify }), "quote");
    assert.equal(faultOf({ quote: { ...evidence.quote, signature: flipped(evidence.quote.signature) } }), "quote");
    assert.equal(faultOf({}, { pcrs: [0, 2, 4] }), "quote");
    assert.equal(faultOf({ pcrs: new Map([...evidence.pcrs, [7, randomBytes(32)]]) }), "quote");
    assert.equal(faultOf({ pcrs: new Map([...evidence.pcrs].slice(1)) }), "quote");
  });

  test("and an attestation key of another TPM cannot open what was sealed for this one", async () => {
    const { plausible, expected } = await attest();
    const { keyUri } = await world();
    const akName = Buffer.from(plausible.ak.name);
    akName[5] = (akName[5] ?? 0) ^ 1;
    const sealed = makeCredential(plausible.ek, { akName, secret: randomBytes(32), entropy: randomBytes });
    const attestor = createTpmAttestor(keyUri, { ek: "p384" });
    await assert.rejects(attestor.answer({ ...sealed, nonce: expected.nonce, pcrs }), {
      code: "key_store_refused",
      message: /activateCredential/,
    });
  });

  test("and its counters rise over power cycles; where they fall back, an old state was brought back", async () => {
    const first = await attest();
    const before = judgeEvidence(first.evidence, first.expected);
    await (await world()).tpm.restart();
    const second = await attest();
    assert.ok(before.is === "proven");
    const later = judgeEvidence(second.evidence, { ...second.expected, before: before.counters });
    assert.ok(later.is === "proven" && later.counters.resetCount > before.counters.resetCount);
    const back = judgeEvidence(first.evidence, { ...first.expected, before: later.counters });
    assert.deepEqual([back.is, back.is === "fault" && back.check], ["fault", "counters"]);
  });
});

test("a reference matches when every PCR that it names has one of its values, and the first that does is meant", () => {
  const values = new Map([
    [0, Buffer.from("aa", "hex")],
    [7, Buffer.from("bb", "hex")],
  ]);
  const old = { name: "old", pcrs: { 0: ["00"] } };
  const good = { name: "good", pcrs: { 0: ["11", "aa"], 7: ["bb"] } };
  assert.equal(matchReference(values, [old, good])?.name, "good");
  assert.equal(matchReference(values, [old]), undefined);
  assert.equal(matchReference(values, [{ pcrs: { 4: ["aa"] } }]), undefined);
});
