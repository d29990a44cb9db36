import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { findS3Server, type S3Server, startS3Server } from "@tenfold/testkit";
import { blobsContract } from "./contract.testing.ts";
import { openBlobs } from "./files.ts";
import { openS3Blobs } from "./s3.ts";

async function scratch(): Promise<AsyncDisposable & { dir: string }> {
  const dir = await mkdtemp(join(tmpdir(), "tenfold-test-blobs-"));
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}

blobsContract("files", async () => {
  const { dir, ...disposable } = await scratch();
  return { blobs: await openBlobs(dir), ...disposable };
});

const binary = findS3Server();
const withServer = binary === undefined ? { skip: "no versitygw here: npm run test:third-party installs it" } : {};
let server: Promise<S3Server> | undefined;
after(async () => (await server)?.[Symbol.asyncDispose]());
const running = (): Promise<S3Server> => {
  server ??= startS3Server(binary ?? "");
  return server;
};
let worlds = 0;

blobsContract(
  "S3",
  async () => {
    const { dir, ...disposable } = await scratch();
    const { endpoint, bucket, accessKey, secret } = await running();
    const blobs = await openS3Blobs({
      endpoint,
      bucket,
      accessKey,
      secret,
      region: "us-east-1",
      prefix: `world-${worlds++}/`,
      spoolDir: dir,
    });
    return { blobs, ...disposable };
  },
  withServer,
);

test("S3: a wrong secret, an unknown bucket and a store that does not answer are told apart at the start", withServer, async () => {
  await using at = await scratch();
  const { endpoint, bucket, accessKey, secret } = await running();
  const wish = { endpoint, bucket, accessKey, secret, region: "us-east-1", prefix: "", spoolDir: at.dir };
  await assert.rejects(openS3Blobs({ ...wish, secret: "wrong" }), { code: "blob_store_refused", message: /403/ });
  await assert.rejects(openS3Blobs({ ...wish, bucket: "nowhere" }), {
    code: "blob_store_refused",
    message: /no bucket nowhere|403/,
  });
  await assert.rejects(openS3Blobs({ ...wish, endpoint: "http://127.0.0.1:9" }), { code: "blob_store_unavailable" });
});

test("S3: the store itself refuses bytes that are not the ones of the name", withServer, async () => {
  await using at = await scratch();
  const { endpoint, bucket, accessKey, secret } = await running();
  const { AwsClient } = await import("aws4fetch");
  const client = new AwsClient({ accessKeyId: accessKey, secretAccessKey: secret, service: "s3", region: "us-east-1" });
  const name = "a".repeat(64);
  const answer = await client.fetch(`${endpoint}/${bucket}/${name}`, {
    method: "PUT",
    body: "other bytes",
    headers: { "x-amz-content-sha256": name },
  });
  assert.ok(answer.status >= 400, `answered ${answer.status}`);
  const blobs = await openS3Blobs({ endpoint, bucket, accessKey, secret, region: "us-east-1", prefix: "", spoolDir: at.dir });
  assert.equal(await blobs.stat(name), undefined);
});
