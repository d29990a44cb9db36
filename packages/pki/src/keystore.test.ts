import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { makeSoftToken, makeSoftwareTpm, type SoftwareTpm, withoutSoftHsm, withoutSoftwareTpm } from "@tenfold/testkit";
import { createCsr, readCsr } from "./csr.ts";
import { openKey, openKeyStore } from "./key-uri.ts";
import { verifySignature } from "./keys.ts";
import { fileKeyStore, type KeyStore } from "./keystore.ts";
import { oids } from "./oids.ts";

type Opened = { store: KeyStore; again: () => KeyStore; keyUri: (name: string) => string } & AsyncDisposable;
type Place = { name: string; skip: string | false; open: (folder: string) => Promise<Opened> };

// Its maker takes seconds for one.
let tpm: Promise<SoftwareTpm> | undefined;
const oneTpm = () => {
  tpm ??= makeSoftwareTpm();
  return tpm;
};
after(async () => (await tpm)?.[Symbol.asyncDispose]());

const places: Place[] = [
  {
    name: "files",
    skip: false,
    async open(folder) {
      const again = () => openKeyStore(`file:${folder}`, { folder });
      return { store: again(), again, keyUri: (name) => `file:${folder}/${name}.key`, async [Symbol.asyncDispose]() {} };
    },
  },
  {
    name: "a PKCS#11 token (SoftHSM2)",
    skip: withoutSoftHsm(),
    async open(folder) {
      const token = await makeSoftToken("contract");
      const again = () => openKeyStore(token.uri, { folder });
      const keyUri = (name: string) => token.uri.replace("?", `;object=${name}?`);
      return { store: again(), again, keyUri, [Symbol.asyncDispose]: () => token[Symbol.asyncDispose]() };
    },
  },
  {
    name: "a TPM (swtpm)",
    skip: withoutSoftwareTpm(),
    async open(folder) {
      const tpm = await oneTpm();
      const again = () => openKeyStore(tpm.uri, { folder });
      const keyUri = (name: string) => tpm.uri.replace("?", `file=${folder}/${name}.tpm.pem?`);
      return { store: again(), again, keyUri, async [Symbol.asyncDispose]() {} };
    },
  },
];

for (const { name, skip, open } of places)
  suite(`a key store in ${name}`, { skip }, () => {
    test("makes a key inside that signs, is found again by another process's store, and by its URI", async () => {
      await using w = await world(open);
      assert.equal(await w.store.open("device"), undefined);
      const made = await w.store.create("device");
      assert.equal(made.publicKey.kind, "p256");
      await using other = w.again();
      const bytes = Buffer.from("to be signed");
      for (const signer of [made, await other.open("device"), await openKey(w.keyUri("device"))]) {
        const signature = await signer?.sign(bytes);
        assert.ok(signature && verifySignature(made.publicKey, { algorithm: made.algorithm, bytes, signature }));
      }
    });

    test("refuses a name that is taken, and keeps the key that has it", async () => {
      await using w = await world(open);
      const made = await w.store.create("device");
      await assert.rejects(w.store.create("device"), { code: "key_exists" });
      assert.deepEqual((await w.store.open("device"))?.publicKey.der, made.publicKey.der);
    });

    test("signs a certificate request that proves possession", async () => {
      await using w = await world(open);
      const key = await w.store.create("device");
      const csr = readCsr(await createCsr({ key, subject: [{ type: oids.commonName, value: "pump-1" }] }));
      assert.deepEqual(csr.publicKey.der, key.publicKey.der);
    });

    test("destroys a key for good, and does not mind doing it again", async () => {
      await using w = await world(open);
      await w.store.create("device");
      await w.store.remove("device");
      await w.store.remove("device");
      assert.equal(await w.store.open("device"), undefined);
      await assert.rejects(openKey(w.keyUri("device")), { code: "key_missing" });
    });

    test("signs for many at once, each its own bytes", async () => {
      await using w = await world(open);
      const { sign, publicKey, algorithm } = await w.store.create("device");
      const texts = Array.from({ length: 12 }, (_, i) => Buffer.from(`text ${i}`));
      const signatures = await Promise.all(texts.map(sign));
      signatures.forEach((signature, i) => {
        assert.ok(verifySignature(publicKey, { algorithm, bytes: texts[i] ?? Buffer.alloc(0), signature }));
      });
    });
  });

async function world(open: Place["open"]) {
  const folder = await mkdtemp(join(tmpdir(), "tenfold-test-keys-"));
  const opened = await open(folder);
  return {
    ...opened,
    folder,
    async [Symbol.asyncDispose]() {
      await opened.store[Symbol.asyncDispose]();
      await opened[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

test("a key file is for its owner only, and one that others can read is refused", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tenfold-test-keys-"));
  try {
    const store = fileKeyStore(folder);
    await store.create("root");
    assert.equal((await stat(join(folder, "root.key"))).mode & 0o777, 0o600);
    await chmod(join(folder, "root.key"), 0o640);
    await assert.rejects(store.open("root"), { code: "key_file_unusable" });
    await writeFile(join(folder, "bad.key"), "no key", { mode: 0o600 });
    await assert.rejects(store.open("bad"), { code: "key_file_unusable" });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("a token that is not there, a wrong PIN and a TPM that is not there say what to do", { skip: withoutSoftHsm() }, async () => {
  await using token = await makeSoftToken("unhappy");
  const folder = await mkdtemp(join(tmpdir(), "tenfold-test-keys-"));
  try {
    const attempt = async (uri: string) => {
      await using store = openKeyStore(uri, { folder });
      return store.create("device");
    };
    const elsewhere = token.uri.replace("unhappy", "nowhere");
    await assert.rejects(attempt(elsewhere), { code: "key_store_unreachable" });
    await writeFile(token.pinFile, "9999", { mode: 0o600 });
    await assert.rejects(attempt(token.uri), { code: "key_store_refused", message: /CKR_PIN_INCORRECT/ });
    await rm(token.pinFile);
    await assert.rejects(attempt(token.uri), { code: "key_file_unusable", message: /PIN file/ });
    await assert.rejects(attempt("pkcs11:token=x?module-path=/none.so"), { code: "key_store_unreachable", message: /none\.so/ });
    await assert.rejects(attempt("tpm:?device=/dev/no-such-tpm"), { code: "key_store_unreachable", message: /no-such-tpm/ });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("a token's helper that died is begun anew at the next signature", { skip: withoutSoftHsm() }, async () => {
  await using token = await makeSoftToken("mortal");
  await using store = openKeyStore(token.uri, { folder: tmpdir() });
  const key = await store.create("device");
  await store[Symbol.asyncDispose]();
  const signature = await key.sign(Buffer.from("again"));
  assert.ok(verifySignature(key.publicKey, { algorithm: key.algorithm, bytes: Buffer.from("again"), signature }));
});

test("the file of a TPM's key holds nothing that another TPM can use", { skip: withoutSoftwareTpm() }, async () => {
  await using w = await world(async (folder) => {
    const again = async () => openKeyStore((await oneTpm()).uri, { folder });
    return { store: await again(), again: () => fileKeyStore(folder), keyUri: () => "", async [Symbol.asyncDispose]() {} };
  });
  await w.store.create("device");
  assert.deepEqual(await readdir(w.folder), ["device.tpm.pem"]);
  assert.match(await readFile(join(w.folder, "device.tpm.pem"), "utf8"), /BEGIN TSS2 PRIVATE KEY/);
  await using other = await makeSoftwareTpm();
  await using copy = openKeyStore(other.uri, { folder: w.folder });
  await assert.rejects(copy.open("device"), { code: "key_store_refused", message: /TPM2_load/ });
});
