import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { ReleaseStatement } from "@tenfold/contracts";
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

function offerOf(version: string, over: Partial<Offer> = {}, limits: Partial<ReleaseStatement> = {}): Offer {
  const statement = {
    type: "tenfold.release.v1" as const,
    name: "pump",
    version,
    models: ["pump-2"],
    artifact,
    signedAt: "2026-01-02T03:04:05Z",
    ...limits,
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

test("a release for some hardware is taken by those boards only, and by none that does not know its own revision", () => {
  const offer = offerOf("1.5.0", {}, { hardwareRevisions: ["B", "B2"] });
  assert.equal(checkOffer({ ...device, hardwareRevision: "B2", offer }).is, "accept");
  assert.equal(reason(checkOffer({ ...device, hardwareRevision: "b2", offer })), "offer_incompatible_hardware");
  assert.equal(reason(checkOffer({ ...device, offer })), "offer_incompatible_hardware");
  assert.equal(
    reason(checkOffer({ ...device, hardwareRevision: "A", offer: { ...offer, rollback: true } })),
    "offer_incompatible_hardware",
  );
});

test("a release is not installed over a version that is too old for it, nor past a stepping stone", () => {
  const minimum = offerOf("2.0.0", {}, { minimumVersion: "1.4.1" });
  assert.equal(reason(checkOffer({ ...device, offer: minimum })), "offer_below_minimum_version");
  assert.equal(checkOffer({ ...device, currentVersion: "1.4.1", offer: minimum }).is, "accept");
  const stones = offerOf("3.0.0", {}, { mustPassThrough: ["1.5.0", "2.0.0"] });
  const verdict = checkOffer({ ...device, offer: stones });
  assert.equal(reason(verdict), "offer_must_pass_through");
  assert.match(verdict.is === "refuse" ? verdict.detail : "", /comes after 1\.5\.0/, "the oldest stone comes first");
  assert.match(detail(checkOffer({ ...device, currentVersion: "1.5.0", offer: stones })), /comes after 2\.0\.0/);
  assert.equal(checkOffer({ ...device, currentVersion: "2.0.0", offer: stones }).is, "accept");
});

test("limits that no device could meet, or that stand in no order, are not signed", () => {
  const refused = (limits: Partial<ReleaseStatement>, field: string) =>
    assert.throws(() => offerOf("2.0.0", {}, limits), { code: "release_statement_invalid", field });
  refused({ minimumVersion: "2.0.1" }, "minimumVersion");
  refused({ mustPassThrough: ["2.0.0"] }, "mustPassThrough.0");
  refused({ mustPassThrough: ["1.5.0", "1.4.0"] }, "mustPassThrough.1");
  refused({ mustPassThrough: ["1.5.0", "1.5"] }, "mustPassThrough.1");
  refused({ hardwareRevisions: [] }, "hardwareRevisions");
});

test("no limit can be taken off a signed release", () => {
  const offer = offerOf("2.0.0", {}, { hardwareRevisions: ["B"], minimumVersion: "1.0.0", mustPassThrough: ["1.5.0"] });
  for (const limit of ["hardwareRevisions", "minimumVersion", "mustPassThrough"]) {
    const { [limit as "minimumVersion"]: _, ...signed } = offer.release.signed;
    const eased = { ...offer, release: { ...offer.release, signed } };
    assert.equal(
      reason(checkOffer({ ...device, hardwareRevision: "B", currentVersion: "1.5.0", offer: eased })),
      "offer_signature_invalid",
    );
  }
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
const detail = (verdict: ReturnType<typeof checkOffer>) => (verdict.is === "refuse" ? verdict.detail : "");
const fault = (end: ReturnType<ReturnType<typeof verifyArtifact>["finish"]>) => (end.is === "fault" ? end.because : end.is);
