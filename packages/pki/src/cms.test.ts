import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Problem } from "@tenfold/base";
import { createRoot, newSigner } from "./authority.ts";
import { type CmsWish, signCms, verifyCms } from "./cms.ts";
import { privateKeyPem } from "./idevid.ts";
import { signerOf } from "./keys.ts";
import { oids } from "./oids.ts";
import { toPem } from "./pem.ts";
import { now } from "./testing.ts";

const content = Buffer.from("serial,model\npump-1,p100\n");
const skip =
  spawnSync("openssl", ["version"]).status === 0 ? false : "openssl is not on PATH; install it to have CMS cross-checked";

const keyPairs = {
  p256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
  p384: () => generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey,
  ed25519: () => generateKeyPairSync("ed25519").privateKey,
  rsa: () => generateKeyPairSync("rsa", { modulusLength: 2_048 }).privateKey,
};
const kinds = Object.keys(keyPairs) as (keyof typeof keyPairs)[]; // of an object that is written above

async function workshop(kind: keyof typeof keyPairs) {
  const folder = mkdtempSync(join(tmpdir(), "tenfold-cms-"));
  const key = keyPairs[kind]();
  const signer = signerOf(key);
  const { certificate } = await createRoot({
    signer,
    name: [{ type: oids.commonName, value: "Acme Manifests" }],
    now: now - 1_000,
  });
  const put = (name: string, bytes: Uint8Array | string) => writeFileSync(join(folder, name), bytes);
  put("key.pem", privateKeyPem(key));
  put("cert.pem", toPem("CERTIFICATE", certificate.der));
  put("batch.csv", content);
  return {
    signer,
    certificate,
    put,
    read: (name: string) => readFileSync(join(folder, name)),
    openssl(...args: string[]) {
      const { status, stderr } = spawnSync("openssl", args, { cwd: folder, encoding: "utf8", timeout: 20_000 });
      return { ok: status === 0, stderr };
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

// OpenSSL 3.0's command line has no Ed25519 in CMS (RFC 8419).
for (const kind of kinds.filter((one) => one !== "ed25519")) {
  test(`OpenSSL verifies what we sign with ${kind}, and we what it signs`, { skip }, async () => {
    using shop = await workshop(kind);
    const wish: CmsWish = { content, signer: shop.signer, certificate: shop.certificate, signedAt: now, form: "detached" };
    shop.put("ours.p7s", await signCms(wish));
    const believed = ["-CAfile", "cert.pem", "-purpose", "any", "-attime", String(now / 1_000)];
    const check = ["cms", "-verify", "-binary", "-inform", "DER", ...believed, "-out", "out"];
    const detached = shop.openssl(...check, "-in", "ours.p7s", "-content", "batch.csv");
    assert.ok(detached.ok, detached.stderr);
    shop.put("whole.p7m", await signCms({ ...wish, form: "attached" }));
    const attached = shop.openssl(...check, "-in", "whole.p7m");
    assert.ok(attached.ok, attached.stderr);
    assert.deepEqual(shop.read("out"), content);

    for (const outform of ["DER", "PEM"]) {
      const theirs = shop.openssl(
        ...["cms", "-sign", "-binary", "-in", "batch.csv", "-signer", "cert.pem", "-inkey", "key.pem"],
        ...["-outform", outform, "-out", "theirs", "-md", "sha256"],
      );
      assert.ok(theirs.ok, theirs.stderr);
      const verdict = verifyCms({ message: shop.read("theirs"), content, keys: [shop.signer.publicKey] });
      assert.equal(verdict.is, "signed");
    }
  });
}

test("a signature over other content, by another key, or without attributes proves nothing", async () => {
  using shop = await workshop("p256");
  const { signer, certificate } = shop;
  const wish: CmsWish = { content, signer, signedAt: now, form: "detached" };
  const keys = [newSigner().publicKey, signer.publicKey];
  const message = await signCms(wish);
  const good = verifyCms({ message, content, keys });
  assert.deepEqual([good.is, good.is === "signed" && good.signedAt], ["signed", now]);
  assert.deepEqual(verifyCms({ message, content: Buffer.from("serial\nother"), keys }), {
    is: "unproven",
    because: "content_differs",
  });
  assert.deepEqual(verifyCms({ message, content, keys: [newSigner().publicKey] }), { is: "unproven", because: "key_unknown" });
  assert.deepEqual(verifyCms({ message, content, keys: [] }), { is: "unproven", because: "key_unknown" });
  const attached = await signCms({ ...wish, certificate, form: "attached" });
  assert.equal(verifyCms({ message: attached, keys }).is, "signed");
  assert.deepEqual(verifyCms({ message: attached, content: Buffer.from("x"), keys }), {
    is: "unproven",
    because: "content_differs",
  });
  assert.throws(() => verifyCms({ message, keys }), { code: "cms_malformed" });
  assert.throws(() => verifyCms({ message: Buffer.from("MIIB"), content, keys }), { code: "der_malformed" });
});

test("every kind of key signs, and one changed byte anywhere in content or message is no signature of it", async () => {
  for (const kind of kinds) {
    using shop = await workshop(kind);
    const { signer, certificate } = shop;
    const message = await signCms({ content, signer, certificate, signedAt: now, form: "detached" });
    const keys = [signer.publicKey];
    assert.equal(verifyCms({ message, content, keys }).is, "signed", kind);
    for (let i = 0; i < message.length; i += kind === "p256" ? 1 : 37) {
      const changed = Buffer.from(message);
      changed[i] = (changed[i] ?? 0) ^ 0x01;
      let verdict: ReturnType<typeof verifyCms> | undefined;
      try {
        verdict = verifyCms({ message: changed, content, keys });
      } catch (error) {
        assert.ok(error instanceof Problem, String(error));
      }
      // What is not signed (the embedded certificate, the signer's name) may be anything: it is not believed.
      if (verdict?.is === "signed") assert.deepEqual([verdict.content, verdict.signedAt], [content, now]);
    }
  }
});

test("OpenSSL's signatures without attributes and in indefinite lengths are refused by name", { skip }, async () => {
  using shop = await workshop("p256");
  const sign = (...how: string[]) =>
    shop.openssl(
      "cms",
      "-sign",
      "-binary",
      "-in",
      "batch.csv",
      "-signer",
      "cert.pem",
      "-inkey",
      "key.pem",
      "-outform",
      "DER",
      "-out",
      "s",
      ...how,
    );
  const code = () => {
    try {
      return verifyCms({ message: shop.read("s"), content, keys: [shop.signer.publicKey] }).is;
    } catch (error) {
      return (error as { code: string }).code; // both are Problems
    }
  };
  assert.ok(sign("-noattr").ok);
  assert.equal(code(), "cms_malformed");
  assert.ok(sign("-stream", "-nodetach").ok);
  assert.equal(code(), "der_malformed");
});
