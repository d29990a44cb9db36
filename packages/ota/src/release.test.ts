import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem } from "@tenfold/base";
import type { ReleaseStatement, SignedRelease } from "@tenfold/contracts";
import fc from "fast-check";
import { addSignature, generateSigningKey, readPrivateKey, readPublicKey, signRelease, verifyRelease } from "./index.ts";

const statement: ReleaseStatement = {
  type: "tenfold.release.v1",
  name: "pump",
  version: "1.4.0",
  models: ["pump-2"],
  artifact: { sha256: "ab".repeat(32), size: 1_000 },
  signedAt: "2026-01-02T03:04:05Z",
};

function signer() {
  const made = generateSigningKey();
  return { ...made, publicKey: readPublicKey(made.publicKeyPem), privateKey: readPrivateKey(made.privateKeyPem) };
}

test("a release signed by a trusted key is trusted, also when its members come back in another order", () => {
  const { privateKey, publicKey, keyid } = signer();
  const envelope = signRelease(statement, privateKey);
  const shuffled = { signatures: envelope.signatures, signed: Object.fromEntries(Object.entries(envelope.signed).reverse()) };
  assert.deepEqual(verifyRelease(shuffled, { trustedKeys: [publicKey] }), { is: "trusted", release: statement, signedBy: [keyid] });
});

test("a key is named by the hash of its own bytes, whatever the PEM around it looks like", () => {
  const { publicKeyPem, privateKeyPem, keyid } = signer();
  assert.equal(readPublicKey(publicKeyPem.replaceAll("\n", "\r\n")).keyid, keyid);
  assert.equal(readPrivateKey(privateKeyPem).keyid, keyid);
});

test("a private key, a key of another kind and a broken one are refused with a code each", () => {
  const { privateKeyPem } = signer();
  assert.throws(() => readPublicKey(privateKeyPem), { code: "signing_key_unsupported" });
  assert.throws(() => readPublicKey("-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----"), {
    code: "signing_key_unreadable",
  });
  assert.throws(() => readPrivateKey("nothing"), { code: "signing_key_unreadable" });
});

test("one key that signs twice, or that is trusted twice, is one signer", () => {
  const [one, two] = [signer(), signer()];
  const envelope = signRelease(statement, one.privateKey);
  const twice = { ...envelope, signatures: [...envelope.signatures, ...envelope.signatures] };
  const trustedKeys = [one.publicKey, readPublicKey(one.publicKeyPem), two.publicKey];
  assert.equal(verifyRelease(twice, { trustedKeys, threshold: 2 }).is, "refuse");
  const both = addSignature(addSignature(envelope, two.privateKey), one.privateKey);
  assert.equal(both.signatures.length, 2);
  assert.equal(verifyRelease(both, { trustedKeys, threshold: 2 }).is, "trusted");
});

test("the same key under a second keyid does not count again", () => {
  const one = signer();
  const envelope = signRelease(statement, one.privateKey);
  const alias = { keyid: "cd".repeat(32), sig: envelope.signatures[0]?.sig };
  const verdict = verifyRelease(
    { ...envelope, signatures: [...envelope.signatures, alias] },
    { trustedKeys: [one.publicKey], threshold: 2 },
  );
  assert.deepEqual(verdict.is === "refuse" && verdict.because, "too_few_signers");
});

test("each way to distrust an envelope has its own reason", () => {
  const [one, two] = [signer(), signer()];
  const envelope = signRelease(statement, one.privateKey);
  const because = (verdict: ReturnType<typeof verifyRelease>) => (verdict.is === "refuse" ? verdict.because : verdict.is);
  const changed = { ...envelope, signed: { ...statement, version: "1.4.1" } };
  assert.equal(because(verifyRelease(changed, { trustedKeys: [one.publicKey] })), "signature_invalid");
  assert.equal(because(verifyRelease(envelope, { trustedKeys: [two.publicKey] })), "signer_unknown");
  assert.equal(because(verifyRelease(envelope, { trustedKeys: [] })), "no_trusted_keys");
  assert.equal(because(verifyRelease({ signed: statement }, { trustedKeys: [one.publicKey] })), "envelope_malformed");
  assert.equal(because(verifyRelease(envelope, { trustedKeys: [one.publicKey, two.publicKey], threshold: 2 })), "too_few_signers");
});

test("a threshold that means nothing is an error, never a pass", () => {
  const one = signer();
  const envelope = signRelease(statement, one.privateKey);
  for (const threshold of [0, -1, 1.5, Number.NaN]) {
    assert.throws(() => verifyRelease(envelope, { trustedKeys: [one.publicKey], threshold }), {
      code: "signature_threshold_invalid",
    });
  }
});

test("a statement that the contract does not know cannot be signed", () => {
  const { privateKey } = signer();
  assert.throws(() => signRelease({ ...statement, artifact: { sha256: "short", size: 1 } }, privateKey), {
    code: "release_statement_invalid",
  });
});

test("no mutated envelope is accepted, and none breaks the verifier", () => {
  const one = signer();
  const envelope = signRelease(statement, one.privateKey);
  const text = JSON.stringify(envelope);
  const verdictOf = (candidate: unknown) => {
    try {
      return verifyRelease(candidate, { trustedKeys: [one.publicKey] });
    } catch (error) {
      assert.ok(error instanceof Problem, `threw ${String(error)}`);
      return undefined;
    }
  };
  const neverAccepted = (candidate: unknown) => {
    const verdict = verdictOf(candidate);
    // The same statement under the same signature is no mutation: a changed blank, a doubled signature.
    if (verdict?.is === "trusted") assert.deepEqual(verdict.release, statement);
  };
  const edit = fc.record({ at: fc.nat(text.length - 1), drop: fc.nat(4), insert: fc.string({ maxLength: 4, unit: "binary" }) });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      const mutated = edits.reduce((now, { at, drop, insert }) => now.slice(0, at) + insert + now.slice(at + drop), text);
      neverAccepted(parsed(mutated));
    }),
    { numRuns: 3_000 },
  );
  fc.assert(fc.property(fc.anything(), neverAccepted), { numRuns: 500 });
  fc.assert(fc.property(mutations(envelope), neverAccepted), { numRuns: 1_000 });
});

test("no other signature text passes for the true one", () => {
  const one = signer();
  const envelope = signRelease(statement, one.privateKey);
  const sig = envelope.signatures[0]?.sig ?? "";
  const others = [
    sig.toUpperCase(),
    `${sig}00`,
    sig.slice(2),
    ` ${sig}`,
    `${sig}zz`,
    Buffer.from(sig, "hex").toString("base64"),
    "00".repeat(64),
  ];
  for (const other of others) {
    const verdict = verifyRelease(
      { ...envelope, signatures: [{ keyid: one.keyid, sig: other }] },
      { trustedKeys: [one.publicKey] },
    );
    assert.equal(verdict.is, "refuse", other);
  }
});

/** The envelope with any one of its members replaced, removed or joined by a stranger. */
function mutations(envelope: SignedRelease) {
  const target = fc.constantFrom("signed", "artifact", "signature", "envelope");
  const key = fc.constantFrom(
    "name",
    "version",
    "models",
    "sha256",
    "size",
    "signedAt",
    "type",
    "keyid",
    "sig",
    "signed",
    "signatures",
    "__proto__",
    "extra",
  );
  return fc.tuple(target, key, fc.oneof(fc.anything(), fc.constant(undefined))).map(([where, name, value]) => {
    const copy = structuredClone(envelope);
    const object = { signed: copy.signed, artifact: copy.signed.artifact, signature: copy.signatures[0] ?? {}, envelope: copy }[
      where
    ];
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true });
    return copy;
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
