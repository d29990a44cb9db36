import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import {
  artifactPath,
  checkOffer,
  generateSigningKey,
  type Offer,
  readPrivateKey,
  readPublicKey,
  signRelease,
  verifyArtifact,
} from "./index.ts";

const keys = generateSigningKey();
const trustedKeys = [readPublicKey(keys.publicKeyPem)];
const bytes = Buffer.from("firmware of a pump");
const artifact = { sha256: createHash("sha256").update(bytes).digest("hex"), size: bytes.length };

function offerOf(version: string, over: Partial<Offer> = {}): Offer {
  const statement = {
    type: "tenfold.release.v1" as const,
    name: "pump",
    version,
    models: ["pump-2"],
    artifact,
    signedAt: "2026-01-02T03:04:05Z",
  };
  const release = signRelease(statement, readPrivateKey(keys.privateKeyPem));
  return {
    is: "offer",
    deployment: "dep_1",
    release,
    artifactPath: artifactPath(artifact.sha256),
    deadlineS: 600,
    rollback: false,
    ...over,
  };
}

const device = { trustedKeys, model: "pump-2", currentVersion: "1.4.0" };

test("a device takes a newer release for its model that a trusted key signed", () => {
  const verdict = checkOffer({ ...device, offer: offerOf("1.5.0") });
  assert.deepEqual([verdict.is, verdict.is === "accept" && verdict.direction], ["accept", "upgrade"]);
});

test("an older release is taken only as a rollback", () => {
  assert.deepEqual(reason(checkOffer({ ...device, offer: offerOf("1.3.0") })), "offer_downgrade_refused");
  assert.equal(checkOffer({ ...device, offer: offerOf("1.3.0", { rollback: true }) }).is, "accept");
});

test("the word rollback does not carry a release that nobody signed", () => {
  const offer = offerOf("1.3.0", { rollback: true });
  const forged = { ...offer, release: { ...offer.release, signed: { ...offer.release.signed, version: "1.2.0" } } };
  assert.equal(reason(checkOffer({ ...device, offer: forged })), "offer_signature_invalid");
});

test("no rollback passes below the device's security floor", () => {
  const offer = offerOf("1.3.0", { rollback: true });
  assert.equal(reason(checkOffer({ ...device, securityFloor: "1.3.1", offer })), "offer_below_security_floor");
  assert.equal(checkOffer({ ...device, securityFloor: "1.3.0", offer }).is, "accept");
});

test("another model's release is refused, and one for every model is not", () => {
  assert.equal(reason(checkOffer({ ...device, model: "pump-1", offer: offerOf("1.5.0") })), "offer_incompatible_model");
});

test("an artifact that is offered elsewhere than where its signed hash stands is refused", () => {
  assert.equal(reason(checkOffer({ ...device, offer: offerOf("1.5.0", { artifactPath: "//evil.example/x" }) })), "offer_malformed");
});

test("an artifact is complete when size and hash are those of the release", () => {
  const verifier = verifyArtifact(artifact);
  for (const byte of bytes) assert.equal(verifier.update(Uint8Array.of(byte)), undefined);
  assert.deepEqual(verifier.finish(), { is: "complete" });
});

test("a download that is too long is stopped before it ends, a short or changed one at its end", () => {
  const long = verifyArtifact({ ...artifact, size: 4 });
  assert.equal(long.update(bytes)?.because, "download_size_mismatch");
  const short = verifyArtifact(artifact);
  short.update(bytes.subarray(1));
  assert.equal(fault(short.finish()), "download_size_mismatch");
  const changed = verifyArtifact(artifact);
  changed.update(Buffer.from("Firmware of a pump"));
  assert.equal(fault(changed.finish()), "download_hash_mismatch");
});

const reason = (verdict: ReturnType<typeof checkOffer>) => (verdict.is === "refuse" ? verdict.because : verdict.is);
const fault = (end: ReturnType<ReturnType<typeof verifyArtifact>["finish"]>) => (end.is === "fault" ? end.because : end.is);
