import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { verifySignature } from "./keys.ts";
import { fileKeyStore } from "./keystore.ts";

test("a key that was made can be opened again and signs; its file is for its owner only and is never written over", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tenfold-test-keys-"));
  try {
    const store = fileKeyStore(folder);
    assert.equal(await store.open("root"), undefined);
    const made = await store.create("root");
    assert.equal((await stat(join(folder, "root.key"))).mode & 0o777, 0o600);
    const opened = await store.open("root");
    const bytes = Buffer.from("to be signed");
    const signature = await opened?.sign(bytes);
    assert.ok(signature && verifySignature(made.publicKey, { algorithm: made.algorithm, bytes, signature }));
    await assert.rejects(store.create("root"), { code: "key_file_unusable" });
    await chmod(join(folder, "root.key"), 0o640);
    await assert.rejects(store.open("root"), { code: "key_file_unusable" });
    await writeFile(join(folder, "bad.key"), "no key", { mode: 0o600 });
    await assert.rejects(store.open("bad"), { code: "key_file_unusable" });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
